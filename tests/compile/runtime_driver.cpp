// A model file behind model.hpp alone: floats of images in, floats of outputs out.
//   driver FOLDER INPUT LOGITS HEAT   the names of tensors, as the runtime has them
// Each image is 3 x 4 x 5 floats on stdin; each answer 3 and 2 x 3 x 4 floats on stdout. The model is loaded twice,
// and the first one freed before the second computes: what they share stays.
#include <cstdio>
#include <exception>
#include <iostream>

#include "model.hpp"

using edgepack::Tensor;
using namespace edgepack::program;

namespace {

std::vector<Tensor> images() {
  std::vector<Tensor> read;
  for (Tensor next{{3, 4, 5}, std::vector<float>(60)};
       std::fread(next.data.data(), sizeof(float), next.data.size(), stdin) == next.data.size();) {
    read.push_back(next);
  }
  return read;
}

void say(const std::vector<Tensor>& outputs) {
  for (const Tensor& output : outputs) std::fwrite(output.data.data(), sizeof(float), output.data.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  Config told{};
  told.name = "driver";
  told.input = {argv[2], "image", {3, 4, 5}, false};
  told.outputs = {{argv[3], "logits", {3}, false}, {argv[4], "heat", {2, 3, 4}, false}};
  try {
    std::unique_ptr<Model> first = load_model(argv[1], told);
    first->infer(Tensor{{1, 3, 4, 5}, std::vector<float>(60)});
    const std::unique_ptr<Model> model = load_model(argv[1], told);
    first.reset();
    for (const Tensor& image : images()) say(model->infer(image));
    try {
      model->infer(Tensor{{3, 4, 4}, std::vector<float>(48)});
      return 3;
    } catch (const ModelError& error) {
      std::cerr << "refused: " << error.what() << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 4;
  }
  return 0;
}
