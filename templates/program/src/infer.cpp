#include "commands.hpp"
#include "image.hpp"
#include "pipeline.hpp"

namespace edgepack::program {

int infer(const std::string& release, const std::vector<std::string>& files, bool with_outputs) {
  std::unique_ptr<Model> model;
  try {
    model = open_model(release + "/model");
  } catch (const ModelError& error) {
    complain(error.what());
    return error.exit_code();
  }
  int code = Exit::ok;
  for (const std::string& file : files) {
    std::string line;
    try {
      line = answer_line(file, answer(*model, read_image(file, true), written_at(file)), with_outputs);
    } catch (const std::exception& error) {
      line = Json().open('{').key("file").string(file).key("error").string(error.what()).close('}').text();
      code = Exit::failed;
    }
    if (!say(line)) {
      complain("stdout cannot be written");
      return Exit::failed;
    }
  }
  return code;
}

}  // namespace edgepack::program
