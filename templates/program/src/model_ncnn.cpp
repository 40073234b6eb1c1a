#include <net.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>

#include "sealed.hpp"
#include "shapes.hpp"

namespace edgepack::program {

namespace {

/// ncnn's matrices have up to four axes, named from the last one, and pad each channel to 16 bytes.
ncnn::Mat allocate(const std::vector<int>& shape) {
  switch (shape.size()) {
    case 1: return ncnn::Mat(shape[0]);
    case 2: return ncnn::Mat(shape[1], shape[0]);
    case 3: return ncnn::Mat(shape[2], shape[1], shape[0]);
    case 4: return ncnn::Mat(shape[3], shape[2], shape[1], shape[0]);
    default: throw ModelError("the model's input has " + std::to_string(shape.size()) + " axes, ncnn knows up to 4");
  }
}

/// The channels of a matrix as runs of floats; a matrix without channels is one run.
template <class Mat, class Run>
void each_channel(Mat& mat, Run run) {
  const std::size_t size = static_cast<std::size_t>(mat.w) * static_cast<std::size_t>(mat.h) *
                           static_cast<std::size_t>(mat.d);
  for (int c = 0; c < mat.c; ++c) {
    run(reinterpret_cast<float*>(static_cast<unsigned char*>(mat.data) +
                                 mat.cstep * static_cast<std::size_t>(c) * mat.elemsize),
        size, static_cast<std::size_t>(c) * size);
  }
}

class NcnnModel : public Model {
 public:
  NcnnModel(const std::string& folder, const Config& config) : input_(config.input), outputs_(config.outputs) {
    ncnn::Option& option = net_.opt;
    option.use_fp16_packed = option.use_fp16_storage = option.use_fp16_arithmetic = config.half_precision;
    option.use_bf16_storage = false;
    if (config.threads > 0) option.num_threads = config.threads;
    const std::string param = folder + "/model.param";
    const std::string weights = folder + "/model.bin";
    if (load(param, &ncnn::Net::load_param, &ncnn::Net::load_param) != 0) throw ModelError(param + ": cannot be read as an ncnn model");
    if (load(weights, &ncnn::Net::load_model, &ncnn::Net::load_model) != 0) {
      throw ModelError(weights + ": cannot be read as the model's weights");
    }
    for (const TensorInfo& output : outputs_) require(net_.output_names(), output.blob, param);
    require(net_.input_names(), input_.blob, param);
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    require_fits(input, input_);
    ncnn::Mat in = allocate(input_.shape);
    if (in.empty()) throw ModelError("not enough memory for the model's input");
    each_channel(in, [&](float* run, std::size_t size, std::size_t at) {
      std::memcpy(run, input.data.data() + at, size * sizeof(float));
    });
    ncnn::Extractor extractor = net_.create_extractor();
    if (extractor.input(input_.blob.c_str(), in) != 0) throw ModelError("ncnn did not take the input");
    std::vector<Tensor> results;
    for (const TensorInfo& output : outputs_) results.push_back(extract(extractor, output));
    return results;
  }

 private:
  /// By its path, or as a stream over the memory that it was decrypted into: of that ncnn copies what it needs.
  int load(const std::string& file, int (ncnn::Net::*by_path)(const char*), int (ncnn::Net::*from)(FILE*)) {
    const HiddenMemory plain = unsealed(file);
    if (!plain.there()) return (net_.*by_path)(file.c_str());
    const std::unique_ptr<FILE, int (*)(FILE*)> stream(fmemopen(plain.data(), plain.size(), "rb"), std::fclose);
    return stream ? (net_.*from)(stream.get()) : -1;
  }

  static void require(const std::vector<const char*>& names, const std::string& name, const std::string& file) {
    const auto same = [&](const char* other) { return name == other; };
    if (std::none_of(names.begin(), names.end(), same)) throw ModelError(file + ": has no tensor " + name);
  }

  static Tensor extract(ncnn::Extractor& extractor, const TensorInfo& output) {
    ncnn::Mat out;
    if (extractor.extract(output.blob.c_str(), out) != 0 || out.empty()) {
      throw ModelError("ncnn did not compute " + output.tensor);
    }
    if (out.elempack != 1 || out.elemsize != sizeof(float)) throw ModelError(output.tensor + " is not made of floats");
    Tensor result{output.shape, {}};
    each_channel(out, [&](const float* run, std::size_t size, std::size_t) {
      result.data.insert(result.data.end(), run, run + size);
    });
    require_count(result.data.size(), output);
    return result;
  }

  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
  ncnn::Net net_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<NcnnModel>(folder, config);
}

}  // namespace edgepack::program
