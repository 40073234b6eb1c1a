// The CVI runtime of CV18xx, which runs cvimodels. Each call after cviruntime.h and the "CVITEK TPU quick start" and user
// guides, "Runtime C API" (sophgo, milkv-duo); scales after tpu_mlir, which writes them into the file.
#include <cviruntime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "aside.hpp"
#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

struct Api {
  RuntimeLibrary library{"CVI runtime", {"libcviruntime.so"}};  // the box's: it belongs to the driver
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(CVI_NN_RegisterModelFromBuffer);
  EDGEPACK_FUNCTION(CVI_NN_GetInputOutputTensors);
  EDGEPACK_FUNCTION(CVI_NN_Forward);
  EDGEPACK_FUNCTION(CVI_NN_CleanupModel);
  EDGEPACK_FUNCTION(CVI_NN_GetTensorByName);
  EDGEPACK_FUNCTION(CVI_NN_TensorPtr);
  EDGEPACK_FUNCTION(CVI_NN_TensorSize);
  EDGEPACK_FUNCTION(CVI_NN_TensorCount);
  EDGEPACK_FUNCTION(CVI_NN_TensorShape);
  EDGEPACK_FUNCTION(CVI_NN_TensorQuantScale);
  EDGEPACK_FUNCTION(CVI_NN_TensorQuantZeroPoint);
#undef EDGEPACK_FUNCTION
};

/// CVI_RC_…, the guide's table of return codes.
std::string said(CVI_RC code) {
  switch (code) {
    case 3: return "it timed out";
    case 4: return "it is not initialised";
    case 5: return "invalid argument";
    case 6: return "not enough memory";
    case 7: return "the model is damaged";
    case 8: return "the TPU is busy";
    case 9: return "not supported by this libcviruntime";
    default: return "it failed";
  }
}

void check(CVI_RC code, const std::string& what) {
  constexpr CVI_RC kSuccess = 0;
  if (code == kSuccess) return;
  throw ModelError("CVI runtime cannot " + what + ": " + said(code) + " (" + std::to_string(code) + ")");
}

/// The library asserts what it expects of a file: what is no cvimodel, or not all of one's description, does not get
/// there. Its header: the name, how long the description is, versions, a checksum, the chip.
std::vector<unsigned char> cvimodel(const std::string& file) {
  constexpr char kMagic[] = "CviModel";
  constexpr std::size_t kName = sizeof kMagic - 1, kHeader = 48;
  std::vector<unsigned char> bytes = model_bytes(file);
  if (bytes.size() < kHeader || std::memcmp(bytes.data(), kMagic, kName) != 0) {
    throw ModelError("CVI runtime cannot load " + file + ": it is no cvimodel");
  }
  std::size_t length = 0;
  for (std::size_t i = 4; i > 0; --i) length = length << 8 | bytes[kName + i - 1];
  if (bytes.size() - kHeader < length) throw ModelError("CVI runtime cannot load " + file + ": it is cut off");
  return bytes;
}

Kind kind_of(CVI_FMT format, const std::string& tensor) {
  switch (format) {
    case CVI_FMT_FP32: return Kind::float32;
    case CVI_FMT_INT32: return Kind::int32;
    case CVI_FMT_BF16: return Kind::bfloat16;
    case CVI_FMT_INT16: return Kind::int16;
    case CVI_FMT_UINT16: return Kind::uint16;
    case CVI_FMT_INT8: return Kind::int8;
    case CVI_FMT_UINT8: return Kind::uint8;
    default: throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(format) + ")");
  }
}

class CviModel : public Model {
 public:
  CviModel(const std::string& folder, const Config& config) : file_(folder + "/model.cvimodel"), bytes_(cvimodel(file_)), handle_(api_) {
    const Aside aside;
    const CVI_RC code = api_.CVI_NN_RegisterModelFromBuffer(reinterpret_cast<const std::int8_t*>(bytes_.data()),
                                                            static_cast<std::uint32_t>(bytes_.size()), &handle_.model);
    if (code != 0) handle_.model = nullptr;  // what is not there is not cleaned up
    check(code, "load " + file_);
    check(api_.CVI_NN_GetInputOutputTensors(handle_.model, &inputs_, &input_count_, &outputs_, &output_count_),
          "describe " + file_);
    if (input_count_ != 1) {
      throw ModelError(file_ + ": has " + std::to_string(input_count_) + " inputs, 1 was expected");
    }
    in_.push_back(place(inputs_, config.input, Way::in));
    for (const TensorInfo& output : config.outputs) {
      CVI_TENSOR* const found = api_.CVI_NN_GetTensorByName(output.blob.c_str(), outputs_, output_count_);
      if (found == nullptr) throw ModelError(file_ + ": has no output " + output.blob);
      outs_.push_back(place(found, output, Way::out));
    }
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    const Aside aside;
    Place& in = in_.front();
    require_fits(input, in.native.info());
    in.native.take(input);
    std::memcpy(memory(in), in.native.data(), in.native.size());
    check(api_.CVI_NN_Forward(handle_.model, inputs_, input_count_, outputs_, output_count_), "compute the model");
    std::vector<Tensor> results;
    for (Place& out : outs_) {
      std::memcpy(out.native.data(), memory(out), out.native.size());
      results.push_back(out.native.give());
    }
    return results;
  }

 private:
  enum class Way { in, out };

  struct Handle {
    explicit Handle(const Api& of) : api(of) {}
    ~Handle() {
      if (model == nullptr) return;
      const Aside aside;
      api.CVI_NN_CleanupModel(model);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    const Api& api;
    CVI_MODEL_HANDLE model = nullptr;
  };

  /// A tensor of the model, whose memory is the library's, and the same here.
  struct Place {
    CVI_TENSOR* tensor;
    NativeTensor native;
  };

  Place place(CVI_TENSOR* tensor, TensorInfo info, Way way) const {
    require_count(api_.CVI_NN_TensorCount(tensor), info);
    info.channels_last = is_last(api_.CVI_NN_TensorShape(tensor), info);
    const Kind kind = kind_of(tensor->fmt, info.tensor);
    Place made{tensor, NativeTensor(info, kind, scale(tensor, kind, way))};
    const std::size_t size = api_.CVI_NN_TensorSize(tensor);
    if (size != made.native.size()) {  // of a model with aligned rows, for its own camera
      throw ModelError(info.tensor + " has " + std::to_string(size) + " bytes, " + std::to_string(made.native.size()) +
                       " were expected");
    }
    memory(made);
    return made;
  }

  /// An input: kept = real * qscale + zero point. An output: real = (kept - zero point) * qscale.
  Scale scale(CVI_TENSOR* tensor, Kind kind, Way way) const {
    if (kind == Kind::float32 || kind == Kind::bfloat16) return {};
    const float said = api_.CVI_NN_TensorQuantScale(tensor);
    if (said == 0) return {};  // whole numbers, as a class is
    return {way == Way::in ? 1 / said : said, api_.CVI_NN_TensorQuantZeroPoint(tensor)};
  }

  /// Images whose pixels are packed ("CVI_NN_PIXEL_RGB_PACKED: nhwc") have their channels behind.
  static bool is_last(const CVI_SHAPE& shape, const TensorInfo& info) {
    if (info.shape.size() != 3 || shape.dim_size != 4) return false;
    const std::vector<int> kept(shape.dim + 1, shape.dim + 4);
    return kept != info.shape && kept == std::vector<int>{info.shape[1], info.shape[2], info.shape[0]};
  }

  void* memory(const Place& place) const {
    void* const found = api_.CVI_NN_TensorPtr(place.tensor);
    if (found == nullptr) throw ModelError("CVI runtime cannot give the memory of " + place.native.info().tensor);
    return found;
  }

  Api api_;
  std::string file_;
  std::vector<unsigned char> bytes_;  // no word says that they may be freed before the model
  Handle handle_;
  CVI_TENSOR *inputs_ = nullptr, *outputs_ = nullptr;  // the model's, and gone with it
  std::int32_t input_count_ = 0, output_count_ = 0;
  std::vector<Place> in_, outs_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<CviModel>(folder, config);
}

}  // namespace edgepack::program
