// Canaan's nncase 2, by contract only. Each call after the C interface of the run-time (kendryte/nncase,
// src/Native/include/nncase/api.h; who owns what: src/Native/src/api.cpp).
#include <nncase/api.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "native_tensor.hpp"
#include "runtime_library.hpp"

namespace edgepack::program {

namespace {

using nncase::datatype_node;
using nncase::tensor_node;
using nncase::value_node;
using nncase::runtime::buffer_node;
using nncase::runtime::host_buffer_node;

struct Api {
  RuntimeLibrary library{"nncase", {"libNncase.Runtime.Native.so"}};  // the box's: it is of the kmodel's version
#define EDGEPACK_FUNCTION(name) decltype(::name)* const name = library.function<decltype(::name)>(#name)
  EDGEPACK_FUNCTION(nncase_object_release);
  EDGEPACK_FUNCTION(nncase_interp_create);
  EDGEPACK_FUNCTION(nncase_interp_free);
  EDGEPACK_FUNCTION(nncase_interp_load_model);
  EDGEPACK_FUNCTION(nncase_interp_get_entry_func);
  EDGEPACK_FUNCTION(nncase_func_get_params_size);
  EDGEPACK_FUNCTION(nncase_func_invoke);
  EDGEPACK_FUNCTION(nncase_buffer_allocator_get_host);
  EDGEPACK_FUNCTION(nncase_buffer_allocator_alloc);
  EDGEPACK_FUNCTION(nncase_buffer_as_host);
  EDGEPACK_FUNCTION(nncase_host_buffer_map);
  EDGEPACK_FUNCTION(nncase_host_buffer_unmap);
  EDGEPACK_FUNCTION(nncase_dtype_create_prime);
  EDGEPACK_FUNCTION(nncase_dtype_get_typecode);
  EDGEPACK_FUNCTION(nncase_value_is_tensor);
  EDGEPACK_FUNCTION(nncase_tensor_create);
  EDGEPACK_FUNCTION(nncase_tensor_get_dtype);
  EDGEPACK_FUNCTION(nncase_tensor_get_buffer);
  EDGEPACK_FUNCTION(nncase_tuple_get_fields);
#undef EDGEPACK_FUNCTION
};

/// A call's answer is 0 or a negative number of errno.h; other errors of its own are positive or in words of its log.
void check(int code, const std::string& what) {
  if (code == 0) return;
  const std::string why = code < 0 && code > -4096 ? std::strerror(-code) : "it failed";
  throw ModelError("nncase cannot " + what + ": " + why + " (" + std::to_string(code) + ")");
}

/// One reference to an object of the run-time. What a call gives through a pointer is the caller's to release.
template <class Node>
class Held {
 public:
  explicit Held(const Api& api) : api_(&api) {}
  ~Held() { let_go(); }
  Held(Held&& other) noexcept : api_(other.api_), node_(std::exchange(other.node_, nullptr)) {}
  Held& operator=(Held&& other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }

  /// Where a call puts it; what was held before is let go.
  Node** to() {
    let_go();
    return &node_;
  }
  Node* get() const { return node_; }
  /// As another kind of node: every node begins with its base, and the interface itself casts so.
  template <class Other>
  Other* as() const {
    return reinterpret_cast<Other*>(node_);
  }

 private:
  void let_go() {
    if (node_ != nullptr) api_->nncase_object_release(reinterpret_cast<nncase::object_node*>(node_));
    node_ = nullptr;
  }

  const Api* api_;
  Node* node_ = nullptr;
};

/// The bytes of a buffer while this is there. The NPU sees what was written when it is gone.
class Mapped {
 public:
  Mapped(const Api& api, buffer_node* buffer, nncase::runtime::map_access_t access, const std::string& tensor)
      : api_(api), host_(api) {
    check(api.nncase_buffer_as_host(buffer, host_.to()), "reach the memory of " + tensor);
    void* at = nullptr;
    check(api.nncase_host_buffer_map(host_.get(), access, &at, &size_), "map the memory of " + tensor);
    data_ = static_cast<unsigned char*>(at);
  }
  ~Mapped() { api_.nncase_host_buffer_unmap(host_.get()); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  unsigned char* data() const { return data_; }
  std::uint32_t size() const { return size_; }

 private:
  const Api& api_;
  Held<host_buffer_node> host_;
  unsigned char* data_ = nullptr;
  std::uint32_t size_ = 0;
};

Kind kind_of(int typecode, const std::string& tensor) {
  switch (typecode) {
    case nncase::dt_float32: return Kind::float32;
    case nncase::dt_float16: return Kind::float16;
    case nncase::dt_int8: return Kind::int8;
    case nncase::dt_uint8: return Kind::uint8;
    case nncase::dt_int16: return Kind::int16;
    case nncase::dt_uint16: return Kind::uint16;
    case nncase::dt_int32: return Kind::int32;
    case nncase::dt_int64: return Kind::int64;
    default: throw ModelError(tensor + " is of a type that is not read here (" + std::to_string(typecode) + ")");
  }
}

class NncaseModel : public Model {
 public:
  NncaseModel(const std::string& folder, const Config& config)
      : input_(config.input, Kind::float32), outputs_(config.outputs), file_(folder + "/model.kmodel"),
        bytes_(model_bytes(file_)), interpreter_(api_), type_(api_), buffer_(api_), tensor_(api_) {
    // The bytes are not copied: they live as long as the interpreter.
    check(api_.nncase_interp_load_model(interpreter_.handle, bytes_.data(), static_cast<std::uint32_t>(bytes_.size()), false),
          "load " + file_ + " (made by another version of nncase, or damaged)");
    check(api_.nncase_interp_get_entry_func(interpreter_.handle, &function_), "find what " + file_ + " computes");
    std::uint32_t inputs = 0;
    check(api_.nncase_func_get_params_size(function_, &inputs), "describe " + file_);
    if (inputs != 1) throw ModelError(file_ + ": has " + std::to_string(inputs) + " inputs, 1 was expected");
    prepare_input();
  }

  std::vector<Tensor> infer(const Tensor& input) override {
    require_fits(input, input_.info());
    input_.take(input);
    {
      const Mapped memory(api_, buffer_.get(), nncase::runtime::map_write, input_.info().tensor);
      if (memory.size() < input_.size()) throw ModelError("nncase gives too little memory for " + input_.info().tensor);
      std::memcpy(memory.data(), input_.data(), input_.size());
    }
    value_node* parameters[] = {tensor_.as<value_node>()};
    Held<value_node> result(api_);
    check(api_.nncase_func_invoke(function_, parameters, 1, result.to()), "compute the model");
    std::vector<Held<value_node>> each = fields(std::move(result));
    std::vector<Tensor> answers;
    for (std::size_t i = 0; i < outputs_.size(); ++i) answers.push_back(read(each[i].as<tensor_node>(), outputs_[i]));
    return answers;
  }

 private:
  struct Interpreter {
    explicit Interpreter(const Api& of) : api(of) { check(api.nncase_interp_create(&handle), "start"); }
    ~Interpreter() { api.nncase_interp_free(handle); }
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;

    const Api& api;
    nncase::runtime::interpreter* handle = nullptr;
  };

  /// One tensor for every run: a batch of one, of float32, which is what a kmodel takes where its compiler was told no
  /// other `input_type`.
  void prepare_input() {
    const TensorInfo& info = input_.info();
    constexpr std::size_t kAxes = 8;
    if (info.shape.size() + 1 > kAxes) throw ModelError(info.tensor + " has too many axes: " + words(info.shape));
    std::array<std::uint32_t, kAxes> dims{1}, strides{};
    std::copy(info.shape.begin(), info.shape.end(), dims.begin() + 1);
    const std::size_t axes = info.shape.size() + 1;
    std::uint32_t step = 1;  // in elements
    for (std::size_t i = axes; i-- > 0; step *= dims[i]) strides[i] = step;
    nncase::runtime::buffer_allocator* allocator = nullptr;  // the run-time's own: it is not released
    check(api_.nncase_buffer_allocator_get_host(&allocator), "allocate memory");
    const auto size = static_cast<std::uint32_t>(input_.size());
    check(api_.nncase_buffer_allocator_alloc(allocator, size, nullptr, buffer_.to()), "allocate " + info.tensor);
    check(api_.nncase_dtype_create_prime(nncase::dt_float32, type_.to()), "name the type of " + info.tensor);
    nncase_buffer_slice slice{buffer_.get(), 0, size};
    const auto count = static_cast<std::uint32_t>(axes);
    check(api_.nncase_tensor_create(type_.get(), dims.data(), count, strides.data(), count, &slice, tensor_.to()),
          "make " + info.tensor);
  }

  /// The outputs of a run: a tensor, or a tuple of them.
  std::vector<Held<value_node>> fields(Held<value_node> result) const {
    std::vector<Held<value_node>> found;
    bool alone = false;
    check(api_.nncase_value_is_tensor(result.get(), &alone), "describe the outputs");
    std::uint32_t count = 1;
    if (alone) {
      found.push_back(std::move(result));
    } else {
      std::vector<value_node*> nodes(outputs_.size());
      count = static_cast<std::uint32_t>(nodes.size());
      const int code = api_.nncase_tuple_get_fields(result.as<nncase::tuple_node>(), nodes.data(), &count);
      if (code != -EOVERFLOW) check(code, "give the outputs");
      for (std::size_t i = 0; code == 0 && i < count; ++i) {
        found.emplace_back(api_);
        *found.back().to() = nodes[i];
      }
    }
    if (count != outputs_.size()) {
      throw ModelError(file_ + ": has " + std::to_string(count) + " outputs, " + std::to_string(outputs_.size()) +
                       " were expected");
    }
    return found;
  }

  Tensor read(tensor_node* tensor, const TensorInfo& info) const {
    Held<datatype_node> type(api_);
    check(api_.nncase_tensor_get_dtype(tensor, type.to()), "describe " + info.tensor);
    NativeTensor native(info, kind_of(api_.nncase_dtype_get_typecode(type.get()), info.tensor));
    nncase_buffer_slice slice{};
    check(api_.nncase_tensor_get_buffer(tensor, &slice), "reach " + info.tensor);
    Held<buffer_node> buffer(api_);
    *buffer.to() = slice.buffer;
    if (slice.size_bytes != native.size()) {
      throw ModelError(info.tensor + " has " + std::to_string(slice.size_bytes) + " bytes, " +
                       std::to_string(native.size()) + " were expected");
    }
    const Mapped memory(api_, buffer.get(), nncase::runtime::map_read, info.tensor);
    if (memory.size() < slice.start || memory.size() - slice.start < native.size()) {
      throw ModelError("nncase gives too little memory of " + info.tensor);
    }
    std::memcpy(native.data(), memory.data() + slice.start, native.size());
    return native.give();
  }

  Api api_;
  NativeTensor input_;
  std::vector<TensorInfo> outputs_;
  std::string file_;
  std::vector<unsigned char> bytes_;
  Interpreter interpreter_;
  nncase::runtime::runtime_function* function_ = nullptr;  // the interpreter's own
  Held<datatype_node> type_;
  Held<buffer_node> buffer_;
  Held<tensor_node> tensor_;
};

}  // namespace

std::unique_ptr<Model> load_model(const std::string& folder, const Config& config) {
  return std::make_unique<NncaseModel>(folder, config);
}

}  // namespace edgepack::program
