// MNN. Each call after its published headers, include/MNN/Interpreter.hpp, Tensor.hpp and MNNForwardType.h (alibaba/MNN).
// Its interface passes std::vector, so that this is compiled by a gcc and linked to the library, and not loaded by its
// name. Of its calls those that pass a std::string are left alone: builds with the old and with the new string are about.
#include <MNN/Interpreter.hpp>
#include <MNN/Tensor.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>

#include "aside.hpp"
#include "native_tensor.hpp"

namespace edgepack::program {

namespace {

/// ErrorCode.hpp.
std::string said(MNN::ErrorCode code) {
  switch (code) {
    case MNN::OUT_OF_MEMORY: return "not enough memory";
    case MNN::NOT_SUPPORT: return "not supported";
    case MNN::COMPUTE_SIZE_ERROR: return "its shapes do not fit together";
    case MNN::NO_EXECUTION: return "this library has no such operator";
    case MNN::INVALID_VALUE: return "a value is not valid";
    default: return "it failed";
  }
}

Kind kind_of(halide_type_t type, const std::string& tensor) {
  const int bits = type.bits;
  if (type.lanes == 1 && type.code == halide_type_float) {
    if (bits == 32) return Kind::float32;
    if (bits == 16) return Kind::float16;
  } else if (type.lanes == 1 && type.code == halide_type_int) {
    if (bits == 8) return Kind::int8;
    if (bits == 16) return Kind::int16;
    if (bits == 32) return Kind::int32;
    if (bits == 64) return Kind::int64;
  } else if (type.lanes == 1 && type.code == halide_type_uint) {
    if (bits == 8) return Kind::uint8;
    if (bits == 16) return Kind::uint16;
  }
  throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(static_cast<int>(type.code)) + ", " +
                   std::to_string(bits) + " bits)");
}

/// A tensor of the session, and the same in memory of this program: channels first, without gaps.
class Place {
 public:
  Place(MNN::Tensor* tensor, const TensorInfo& info)
      : tensor_(tensor), host_(tensor, MNN::Tensor::CAFFE), native_(info, kind_of(host_.getType(), info.tensor)) {
    require_count(static_cast<std::size_t>(host_.elementSize()), info);
    if (static_cast<std::size_t>(host_.size()) != native_.size()) {
      throw ModelError(info.tensor + " has " + std::to_string(host_.size()) + " bytes, " +
                       std::to_string(native_.size()) + " were expected");
    }
  }

  void send(const Tensor& input) {
    require_fits(input, native_.info());
    native_.take(input);
    std::memcpy(host_.host<unsigned char>(), native_.data(), native_.size());
    if (!tensor_->copyFromHostTensor(&host_)) throw ModelError("MNN cannot take the input");
  }

  Tensor fetch() {
    if (!tensor_->copyToHostTensor(&host_)) throw ModelError("MNN cannot give " + native_.info().tensor);
    std::memcpy(native_.data(), host_.host<unsigned char>(), native_.size());
    return native_.give();
  }

 private:
  MNN::Tensor* tensor_;  // the session's
  MNN::Tensor host_;
  NativeTensor native_;
};

class MnnModel : public Model {
 public:
  MnnModel(const std::string& folder, const Config& config) : file_(folder + "/model.mnn") {
    const Aside aside;
    {
      const std::vector<unsigned char> bytes = model_bytes(file_);
      net_.reset(MNN::Interpreter::createFromBuffer(bytes.data(), bytes.size()));  // it copies them
    }
    if (net_ == nullptr) throw ModelError("MNN cannot load " + file_ + ": the file is damaged, or no model of MNN");
    make_session(config);
    MNN::Tensor* const in = net_->getSessionInput(session_, config.input.blob.c_str());
    if (in == nullptr) throw ModelError(file_ + ": has no input " + config.input.blob);
    fix(in, config.input);
    in_ = std::make_unique<Place>(in, config.input);
    for (const TensorInfo& output : config.outputs) {
      MNN::Tensor* const out = net_->getSessionOutput(session_, output.blob.c_str());
      if (out == nullptr) throw ModelError(file_ + ": has no output " + output.blob);
      outs_.push_back(std::make_unique<Place>(out, output));
    }
    net_->releaseModel();  // the file's bytes, which are not asked for again
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    const Aside aside;
    in_->send(input);
    const MNN::ErrorCode code = net_->runSession(session_);
    if (code != MNN::NO_ERROR) {
      throw ModelError("MNN cannot compute the model: " + said(code) + " (" + std::to_string(code) + ")");
    }
    std::vector<Tensor> results;
    for (const auto& out : outs_) results.push_back(out->fetch());
    return results;
  }

 private:
  void make_session(const Config& config) {
    // Half precision only where it is asked for: of itself MNN takes it on some processors.
    backend_.precision = config.half_precision ? MNN::BackendConfig::Precision_Low : MNN::BackendConfig::Precision_High;
    MNN::ScheduleConfig schedule;
    schedule.type = MNN_FORWARD_CPU;
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    schedule.numThread = config.threads > 0 ? config.threads : cores;
    schedule.backendConfig = &backend_;
    session_ = net_->createSession(schedule);  // it is the interpreter's, and ends with it
    if (session_ == nullptr) throw ModelError("MNN cannot prepare " + file_);
  }

  /// Where the file leaves an axis open, as the batch is, it gets that of the trained model for one image.
  void fix(MNN::Tensor* in, const TensorInfo& info) {
    const std::vector<int> axes = in->shape();
    if (std::all_of(axes.begin(), axes.end(), [](int axis) { return axis > 0; })) return;
    std::vector<int> fixed{1};
    fixed.insert(fixed.end(), info.shape.begin(), info.shape.end());
    const bool last = in->getDimensionType() == MNN::Tensor::TENSORFLOW && fixed.size() > 2;
    if (last) std::rotate(fixed.begin() + 1, fixed.begin() + 2, fixed.end());
    net_->resizeTensor(in, fixed);
    net_->resizeSession(session_);
  }

  std::string file_;
  MNN::BackendConfig backend_;  // asked again when a session is made anew
  std::unique_ptr<MNN::Interpreter> net_;
  MNN::Session* session_ = nullptr;
  // In this order: what was made last is freed first.
  std::unique_ptr<Place> in_;
  std::vector<std::unique_ptr<Place>> outs_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<MnnModel>(folder, config);
}

}  // namespace edgepack::program
