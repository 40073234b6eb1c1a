#include "standin.hpp"

#include <net.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <sstream>

namespace standin {

namespace {

template <class Number>
Number at(const void* from, std::size_t index) {
  Number value;
  std::memcpy(&value, static_cast<const unsigned char*>(from) + index * sizeof(Number), sizeof(Number));
  return value;
}

template <class Number>
void put(void* to, std::size_t index, Number value) {
  std::memcpy(static_cast<unsigned char*>(to) + index * sizeof(Number), &value, sizeof(Number));
}

/// bfloat16 is the upper half of a float's bits; to the nearest, halves to even.
float widened(std::uint16_t kept) {
  const std::uint32_t bits = static_cast<std::uint32_t>(kept) << 16U;
  return at<float>(&bits, 0);
}

std::uint16_t narrowed(float value) {
  const auto bits = at<std::uint32_t>(&value, 0);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

template <class Number>
Number clamped(double value) {
  if (std::isnan(value)) return 0;
  const double low = static_cast<double>(std::numeric_limits<Number>::min());
  const double high = static_cast<double>(std::numeric_limits<Number>::max());
  return static_cast<Number>(std::min(std::max(std::nearbyint(value), low), high));
}

const std::map<std::string, Type>& types() {
  static const std::map<std::string, Type> known = {
      {"float32", Type::f32}, {"float16", Type::f16}, {"bfloat16", Type::bf16}, {"int8", Type::i8},
      {"uint8", Type::u8},    {"int16", Type::i16},   {"uint16", Type::u16},    {"int32", Type::i32},
      {"uint32", Type::u32},  {"int64", Type::i64},   {"bool", Type::boolean}};
  return known;
}

bool parse_tensor(std::istringstream& words, Tensor* tensor) {
  std::string type, layout, dims;
  if (!(words >> tensor->name >> tensor->blob >> type >> layout >> dims >> tensor->scale >> tensor->zero)) return false;
  const auto found = types().find(type);
  static const std::map<std::string, Layout> layouts = {
      {"nchw", Layout::nchw}, {"nhwc", Layout::nhwc}, {"nc1hwc2", Layout::nc1hwc2}};
  const auto laid = layouts.find(layout);
  if (found == types().end() || laid == layouts.end()) return false;
  tensor->type = found->second;
  tensor->layout = laid->second;
  std::istringstream axes(dims);
  for (std::string axis; std::getline(axes, axis, ',');) {
    tensor->shape.push_back(std::atoi(axis.c_str()));
    if (tensor->shape.back() < 1) return false;
  }
  return !tensor->shape.empty();
}

bool take(const unsigned char*& from, std::size_t& left, std::string* into) {
  std::uint32_t size = 0;
  if (left < sizeof size) return false;
  std::memcpy(&size, from, sizeof size);
  from += sizeof size;
  left -= sizeof size;
  if (left < size) return false;
  into->assign(reinterpret_cast<const char*>(from), size);
  from += size;
  left -= size;
  return true;
}

ncnn::Mat mat(const std::vector<int>& shape, const std::vector<float>& values) {
  // ncnn knows no batch axis, and pads channels.
  std::vector<int> axes(shape.begin() + (shape.size() > 1 ? 1 : 0), shape.end());
  while (axes.size() > 3 && axes.front() == 1) axes.erase(axes.begin());
  ncnn::Mat made = axes.size() == 1   ? ncnn::Mat(axes[0])
                   : axes.size() == 2 ? ncnn::Mat(axes[1], axes[0])
                                      : ncnn::Mat(axes[2], axes[1], axes[0]);
  const std::size_t plane = static_cast<std::size_t>(made.w) * static_cast<std::size_t>(made.h);
  for (int c = 0; c < made.c; ++c) {
    std::memcpy(made.channel(c), values.data() + plane * static_cast<std::size_t>(c), plane * sizeof(float));
  }
  return made;
}

std::vector<float> flat(const ncnn::Mat& mat) {
  std::vector<float> values;
  const std::size_t plane = static_cast<std::size_t>(mat.w) * static_cast<std::size_t>(mat.h * mat.d);
  for (int c = 0; c < mat.c; ++c) {
    const float* run = mat.channel(c);
    values.insert(values.end(), run, run + plane);
  }
  return values;
}

}  // namespace

std::size_t bytes_of(Type type) {
  switch (type) {
    case Type::f32:
    case Type::i32:
    case Type::u32: return 4;
    case Type::f16:
    case Type::bf16:
    case Type::i16:
    case Type::u16: return 2;
    case Type::i64: return 8;
    default: return 1;
  }
}

std::size_t Tensor::count() const {
  std::size_t count = 1;
  for (const int axis : shape) count *= static_cast<std::size_t>(axis);
  return count;
}

std::vector<int> Tensor::laid() const {
  if (layout != Layout::nhwc || shape.size() != 4) return shape;
  return {shape[0], shape[2], shape[3], shape[1]};
}

std::vector<float> real(Type type, const void* from, std::size_t count, float scale, int zero) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    double kept = 0;
    switch (type) {
      case Type::f32: kept = at<float>(from, i); break;
      case Type::f16: kept = static_cast<double>(at<_Float16>(from, i)); break;
      case Type::bf16: kept = static_cast<double>(widened(at<std::uint16_t>(from, i))); break;
      case Type::i8: kept = at<std::int8_t>(from, i); break;
      case Type::u8:
      case Type::boolean: kept = at<std::uint8_t>(from, i); break;
      case Type::i16: kept = at<std::int16_t>(from, i); break;
      case Type::u16: kept = at<std::uint16_t>(from, i); break;
      case Type::i32: kept = at<std::int32_t>(from, i); break;
      case Type::u32: kept = at<std::uint32_t>(from, i); break;
      case Type::i64: kept = static_cast<double>(at<std::int64_t>(from, i)); break;
    }
    values[i] = static_cast<float>(scale != 0 ? (kept - zero) * static_cast<double>(scale) : kept);
  }
  return values;
}

void keep(const std::vector<float>& values, Type type, void* to, float scale, int zero) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    double value = static_cast<double>(values[i]);
    if (scale != 0) value = std::nearbyint(value / static_cast<double>(scale)) + zero;
    switch (type) {
      case Type::f32: put(to, i, static_cast<float>(value)); break;
      case Type::f16: put(to, i, static_cast<_Float16>(value)); break;
      case Type::bf16: put(to, i, narrowed(static_cast<float>(value))); break;
      case Type::i8: put(to, i, clamped<std::int8_t>(value)); break;
      case Type::u8:
      case Type::boolean: put(to, i, clamped<std::uint8_t>(value)); break;
      case Type::i16: put(to, i, clamped<std::int16_t>(value)); break;
      case Type::u16: put(to, i, clamped<std::uint16_t>(value)); break;
      case Type::i32: put(to, i, clamped<std::int32_t>(value)); break;
      case Type::u32: put(to, i, clamped<std::uint32_t>(value)); break;
      case Type::i64: put(to, i, static_cast<std::int64_t>(std::nearbyint(value))); break;
    }
  }
}

namespace {
std::vector<float> reordered(const std::vector<float>& values, const std::vector<int>& shape, bool channels_last) {
  if (shape.size() != 4) return values;
  const std::size_t channels = static_cast<std::size_t>(shape[1]);
  const std::size_t plane = static_cast<std::size_t>(shape[2]) * static_cast<std::size_t>(shape[3]);
  std::vector<float> out(values.size());
  for (std::size_t n = 0; n < static_cast<std::size_t>(shape[0]); ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t p = 0; p < plane; ++p) {
        const std::size_t first = (n * channels + c) * plane + p;
        const std::size_t last = (n * plane + p) * channels + c;
        (channels_last ? out[last] : out[first]) = channels_last ? values[first] : values[last];
      }
    }
  }
  return out;
}
}  // namespace

std::vector<float> to_nchw(const std::vector<float>& values, const std::vector<int>& shape) {
  return reordered(values, shape, false);
}

std::vector<float> to_nhwc(const std::vector<float>& values, const std::vector<int>& shape) {
  return reordered(values, shape, true);
}

struct Model::Net {
  std::string bin;  // ncnn points into it
  ncnn::Net net;
};

Model::Model() : net_(new Net) {}
Model::~Model() = default;

std::shared_ptr<Model> Model::read(const void* bytes, std::size_t size, const std::string& magic, std::string* why) {
  constexpr std::size_t kMagic = 16;
  const auto* from = static_cast<const unsigned char*>(bytes);
  std::size_t left = size;
  std::string begins = magic;
  begins.resize(kMagic, '\0');
  *why = "it does not begin like one";
  if (left < kMagic || std::memcmp(from, begins.data(), kMagic) != 0) return nullptr;
  from += kMagic;
  left -= kMagic;
  std::shared_ptr<Model> model(new Model);
  std::string text, param;
  *why = "it is cut off";
  if (!take(from, left, &text) || !take(from, left, &param) || !take(from, left, &model->net_->bin)) return nullptr;
  *why = "more follows than there should be";
  if (left != 0) return nullptr;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    Tensor tensor;
    words >> kind;
    *why = "its description is damaged: " + line;
    if (kind == "name") {
      words >> model->name;
    } else if ((kind == "input" || kind == "output") && parse_tensor(words, &tensor)) {
      (kind == "input" ? model->inputs : model->outputs).push_back(tensor);
    } else {
      return nullptr;
    }
  }
  ncnn::Option& option = model->net_->net.opt;
  option.num_threads = 1;
  option.use_fp16_packed = option.use_fp16_storage = option.use_fp16_arithmetic = false;
  *why = "ncnn does not read it";
  if (model->net_->net.load_param_mem(param.c_str()) != 0) return nullptr;
  const auto* weights = reinterpret_cast<const unsigned char*>(model->net_->bin.data());
  // ncnn reads as many bytes as its layers want; where there is nothing it is not to read either.
  if (!model->net_->bin.empty() && model->net_->net.load_model(weights) == 0) return nullptr;
  why->clear();
  return model;
}

std::vector<std::vector<float>> Model::compute(const std::vector<std::vector<float>>& given) {
  std::vector<std::vector<float>> results;
  ncnn::Extractor extractor = net_->net.create_extractor();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (given.at(i).size() != inputs[i].count()) fault("an input of another size reached the model");
    if (extractor.input(inputs[i].blob.c_str(), mat(inputs[i].shape, given[i])) != 0) fault("ncnn takes no " + inputs[i].blob);
  }
  for (const Tensor& output : outputs) {
    ncnn::Mat out;
    if (extractor.extract(output.blob.c_str(), out) != 0) fault("ncnn gives no " + output.blob);
    results.push_back(flat(out));
    if (results.back().size() != output.count()) fault(output.blob + " has another size than the file says");
  }
  if (before_.empty()) {
    for (const Tensor& output : outputs) before_.emplace_back(output.count(), 0.0F);
  }
  std::swap(before_, results);  // results: those of the run before
  return lie("stale") ? results : before_;
}

void Model::run(const std::vector<const void*>& in, const std::vector<void*>& out) {
  std::vector<std::vector<float>> given;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& tensor = inputs[i];
    std::vector<float> values = real(tensor.type, in.at(i), tensor.count(), tensor.scale, tensor.zero);
    given.push_back(tensor.layout == Layout::nhwc ? to_nchw(values, tensor.shape) : values);
  }
  const std::vector<std::vector<float>> results = compute(given);
  if (lie("nothing-written")) return;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& tensor = outputs[i];
    keep(tensor.layout == Layout::nhwc ? to_nhwc(results[i], tensor.shape) : results[i], tensor.type, out.at(i),
         tensor.scale, tensor.zero);
  }
}

bool read_file(const std::string& path, std::vector<unsigned char>* bytes) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  unsigned char chunk[65536];
  for (std::size_t got = 0; (got = std::fread(chunk, 1, sizeof chunk, file)) > 0;) {
    bytes->insert(bytes->end(), chunk, chunk + got);
  }
  std::fclose(file);
  return true;
}

}  // namespace standin
