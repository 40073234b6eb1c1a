#include <exception>
#include <stdexcept>

#include "pipeline.hpp"

namespace edgepack::program {

namespace {

/// Runs one stage; the user's own code may throw anything at all, and that must cost one image only.
template <class Stage>
auto named(const char* name, Stage stage) {
  try {
    return stage();
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(name) + ": " + error.what());
  } catch (...) {
    throw std::runtime_error(std::string(name) + ": threw something that is not a std::exception");
  }
}

}  // namespace

std::unique_ptr<Model> open_model(const std::string& folder) { return load_model(folder, config); }

Answer answer(Model& model, Tensor image, const Moment& when) {
  Answer result;
  blocks::Geometry geometry(image);
  const Tensor input = named("pre", [&] { return prepare(std::move(image), geometry); });
  result.outputs = named("model", [&] { return model.infer(input); });
  result.record = named("post", [&] { return interpret(result.outputs, geometry, when); });
  return result;
}

}  // namespace edgepack::program
