// A model file behind model.hpp alone, of any shapes: floats of inputs on stdin, floats of outputs on stdout.
//   driver FOLDER INPUT AXES OUTPUT AXES…    names as the runtime has them, axes as 1,28,28
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>

#include "model.hpp"

using edgepack::Tensor;
using namespace edgepack::program;

namespace {

std::vector<int> axes(const std::string& text) {
  std::vector<int> found;
  std::stringstream words(text);
  for (std::string word; std::getline(words, word, ',');) found.push_back(std::stoi(word));
  return found;
}

std::size_t numbers(const std::vector<int>& shape) {
  std::size_t count = 1;
  for (const int axis : shape) count *= static_cast<std::size_t>(axis);
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || argc % 2 != 0) return 2;
  Config told{};
  told.name = "driver";
  told.threads = 1;
  told.input = {argv[2], argv[2], axes(argv[3]), false};
  for (int i = 4; i < argc; i += 2) told.outputs.push_back({argv[i], argv[i], axes(argv[i + 1]), false});
  try {
    const std::unique_ptr<Model> model = load_model(argv[1], told);
    Tensor input{told.input.shape, std::vector<float>(numbers(told.input.shape))};
    while (std::fread(input.data.data(), sizeof(float), input.data.size(), stdin) == input.data.size()) {
      for (const Tensor& output : model->infer(input)) {
        std::fwrite(output.data.data(), sizeof(float), output.data.size(), stdout);
      }
    }
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 4;
  }
  return 0;
}
