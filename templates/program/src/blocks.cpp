// `pre` and `post` alone, for the host that builds: what calibrates a model, and what a converted one is held
// to, goes through the very code that ships.
//
//   blocks pre OUT.npy PLACES.npy 1x28x28 FILE…
//       images (.pgm, .ppm), sound (.wav) and arrays (.npy, uint8 (N, H, W[, C]) or (H, W[, C]); of sound
//       float32 (N, samples) or (N, channels, samples)) → the model's input,
//       float32 (N, …) of that shape a sample; and where it lies in the image, float32 (N, 6), for `post`
//   blocks post PLACES.npy TENSOR.npy…
//       outputs in the model's order, float32 (N, …) → a JSON line a sample
#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <unistd.h>

#include "file.hpp"
#include "image.hpp"
#include "json.hpp"
#include "npy.hpp"
#include "pipeline.hpp"
#include "raw_input.hpp"

namespace edgepack::program {

namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The model's inputs as they come, in one array whose first axis grows.
class Inputs {
 public:
  /// shape: of one sample, like 3x160x160
  explicit Inputs(const std::string& shape) {
    for (std::size_t at = 0; at < shape.size();) {
      std::size_t used = 0;
      shape_.push_back(std::stoi(shape.substr(at), &used));
      at += used + 1;
      elements_ *= static_cast<std::size_t>(shape_.back());
    }
  }

  void add(const std::string& from, const Tensor& input) {
    if (input.data.size() != elements_) {
      throw ReadError(from + ": `pre` makes " + std::to_string(input.data.size()) + " numbers of it, and the model takes " +
                      std::to_string(elements_));
    }
    const char* bytes = reinterpret_cast<const char*>(input.data.data());
    data_.append(bytes, input.data.size() * sizeof(float));
    ++rows_;
  }

  /// Version 1.0 of the format: the header is padded so that the data begins at a multiple of 64.
  std::string npy() const {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows_) + ",";
    for (const int axis : shape_) header += " " + std::to_string(axis) + ",";
    header += "), }";
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    const auto length = static_cast<unsigned>(header.size());
    std::string text("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(length & 0xFFU);
    text += static_cast<char>(length >> 8U);
    return text + header + data_;
  }

 private:
  std::vector<int> shape_;
  std::size_t elements_ = 1;
  std::string data_;
  std::size_t rows_ = 0;
};

/// What `pre` makes of images, one by one.
struct Prepared {
  Inputs inputs;
  Inputs places{"6"};

  void add(const std::string& from, Tensor image) {
    blocks::Geometry geometry(image);
    inputs.add(from, prepare(std::move(image), geometry));
    const std::array<float, 6> numbers = geometry.numbers();
    places.add(from, {{6}, {numbers.begin(), numbers.end()}});
  }
};

void add_array(Prepared& inputs, const std::string& path) {
  const NpyArray array(path);
  std::vector<std::size_t> shape = array.shape();
  if (array.type() == NpyArray::Type::float32) {
    check_inputs(path, array);
    for (std::size_t n = 0; n < array.rows(); ++n) inputs.add(path, raw_input(array, n));
    return;
  }
  const bool one = shape.size() == 2 || (shape.size() == 3 && shape[2] <= 4 && shape[0] > 4);
  if (!one) shape.erase(shape.begin());
  if (array.type() != NpyArray::Type::uint8 || shape.size() < 2 || shape.size() > 3) {
    throw ReadError(path + ": raw inputs are uint8, (N, H, W), (N, H, W, C), (H, W) or (H, W, C); or float32, sound");
  }
  std::vector<std::uint8_t> pixels;
  const std::size_t channels = shape.size() == 3 ? shape[2] : 1;
  for (std::size_t n = 0; n < array.rows(); ++n) {
    const std::vector<std::uint8_t> row = array.bytes(n);
    if (one) {
      pixels.insert(pixels.end(), row.begin(), row.end());
    } else {
      inputs.add(path, image_tensor(row.data(), shape[0], shape[1], channels));
    }
  }
  if (one) inputs.add(path, image_tensor(pixels.data(), shape[0], shape[1], channels));
}

int pre(const std::vector<std::string>& words) {
  Prepared prepared{Inputs(words[2])};
  for (auto file = words.begin() + 3; file != words.end(); ++file) {
    try {
      if (ends_with(*file, ".npy")) {
        add_array(prepared, *file);
      } else {
        prepared.add(*file, read_image(*file, true));
      }
    } catch (const ReadError&) {
      throw;
    } catch (const std::exception& error) {
      throw ReadError(*file + ": `pre` says: " + error.what());
    }
  }
  if (!replace_file(words[0], prepared.inputs.npy())) throw ReadError(words[0] + " cannot be written");
  if (!replace_file(words[1], prepared.places.npy())) throw ReadError(words[1] + " cannot be written");
  return 0;
}

blocks::Geometry place(const NpyArray& places, std::size_t n) {
  const std::vector<float> row = places.floats(n);
  std::array<float, 6> numbers{};
  std::copy_n(row.begin(), std::min(row.size(), numbers.size()), numbers.begin());
  return blocks::Geometry(numbers);
}

int post(const std::vector<std::string>& words) {
  const NpyArray places(words[0]);
  std::vector<NpyArray> arrays;
  for (auto word = words.begin() + 1; word != words.end(); ++word) {
    const NpyArray& array = arrays.emplace_back(*word);
    if (array.rows() != places.rows()) {
      throw ReadError(*word + ": " + std::to_string(array.rows()) + " samples, and places of " +
                      std::to_string(places.rows()));
    }
  }
  std::string lines;
  for (std::size_t n = 0; n < arrays.at(0).rows(); ++n) {
    std::vector<Tensor> outputs;
    for (const NpyArray& array : arrays) {
      Tensor tensor;
      for (auto axis = array.shape().begin() + 1; axis != array.shape().end(); ++axis) {
        tensor.shape.push_back(static_cast<int>(*axis));
      }
      tensor.data = array.floats(n);
      outputs.push_back(std::move(tensor));
    }
    Json json;
    try {
      const Record record = interpret(std::move(outputs), place(places, n), sample_moment(n));
      json.open('{').fields(record).close('}');
    } catch (const std::exception& error) {
      json.open('{').key("error").string(error.what()).close('}');
    }
    lines += json.text() + "\n";
  }
  return write_all(STDOUT_FILENO, lines) ? 0 : 1;
}

}  // namespace

}  // namespace edgepack::program

int main(int argc, char** argv) {
  using namespace edgepack::program;
  const std::vector<std::string> words(argv + std::min(argc, 2), argv + argc);
  const std::string command = argc > 1 ? argv[1] : "";
  try {
    if (command == "pre" && words.size() > 3) return pre(words);
    if (command == "post" && words.size() > 1) return post(words);
    static_cast<void>(write_all(STDERR_FILENO, "blocks pre OUT.npy PLACES.npy SHAPE FILE… | blocks post PLACES.npy TENSOR.npy…\n"));
    return 2;
  } catch (const std::exception& error) {
    static_cast<void>(write_all(STDERR_FILENO, std::string(error.what()) + "\n"));
    return 4;
  }
}
