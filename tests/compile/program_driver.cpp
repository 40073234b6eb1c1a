// Lets a test ask the generated program's parts one question a line, and answers each with one line.
// Built from the rendered project's own files; the runtime is not needed.
#include <cstdlib>
#include <functional>
#include <iostream>
#include <sstream>

#include "image.hpp"
#include "json.hpp"
#include "npy.hpp"

namespace {

using edgepack::Tensor;
using edgepack::program::Json;

// Not `in >> value`, which knows neither NaN nor the smallest numbers.
double real(std::istream& in) {
  std::string word;
  in >> word;
  return std::strtod(word.c_str(), nullptr);
}

std::string said(const Tensor& result) {
  std::vector<float> shape(result.shape.begin(), result.shape.end());
  return Json().open('{').key("shape").array(shape).key("data").array(result.data).close('}').text();
}

std::string unhex(const std::string& hex) {
  std::string text;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return text;
}

std::string quoted(std::istream& in) {
  std::string hex;
  in >> hex;
  return Json().string(unhex(hex)).text();
}

std::string array(std::istream& in) {
  std::string path;
  std::getline(in >> std::ws, path);
  const edgepack::program::NpyArray npy(path);
  std::vector<float> shape(npy.shape().begin(), npy.shape().end());
  std::vector<float> values;
  for (std::size_t n = 0; n < npy.rows(); ++n) {
    if (npy.type() == edgepack::program::NpyArray::Type::float32) {
      for (const float value : npy.floats(n)) values.push_back(value);
    } else if (npy.type() == edgepack::program::NpyArray::Type::int64) {
      for (const std::int64_t value : npy.integers(n)) values.push_back(static_cast<float>(value));
    } else {
      for (const std::uint8_t value : npy.bytes(n)) values.push_back(value);
    }
  }
  return Json().open('{').key("shape").array(shape).key("data").array(values).close('}').text();
}

std::string image(std::istream& in) {
  std::string path;
  std::getline(in >> std::ws, path);
  return said(edgepack::program::read_image(path, true));
}

std::string number(std::istream& in) { return Json().number(real(in)).text(); }

std::string record(std::istream& in) {
  edgepack::Record all;
  std::string field;
  while (in >> field) all.set(field, 1);
  return Json().open('{').fields(all).close('}').text();
}

}  // namespace

int main() {
  const std::pair<const char*, std::function<std::string(std::istream&)>> answers[] = {
      {"quote", quoted}, {"npy", array}, {"image", image}, {"number", number}, {"record", record},
  };
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    for (const auto& [name, answer] : answers) {
      if (word != name) continue;
      try {
        std::cout << answer(in) << std::endl;
      } catch (const std::exception& error) {
        std::cout << Json().open('{').key("error").string(error.what()).close('}').text() << std::endl;
      }
    }
  }
}
