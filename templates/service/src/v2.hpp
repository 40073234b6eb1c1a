// The Open Inference Protocol (KServe v2), as both of its ways, HTTP and gRPC, mean it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edgepack::program {

/// Why a request is not answered; each way has its own number for it.
enum class Why { invalid, missing, large, busy, late, failed, unsupported };

struct Refusal : std::runtime_error {
  Refusal(Why reason, const std::string& words) : std::runtime_error(words), why(reason) {}
  Why why;
};

/// Bytes of a tensor as they go over the wire: little endian, row by row; of BYTES each element after its
/// length in four bytes. They lie in the request as it came, or were made from its numbers.
struct InputTensor {
  std::string name, datatype;
  std::vector<std::int64_t> shape;
  std::string made;
  std::size_t at = 0, size = 0;
  bool in_body = false;
};

struct WantedOutput {
  std::string name;
  bool binary;  // HTTP: after the JSON, and not in it
};

struct InferRequest {
  std::string body;             // what the tensors' bytes lie in
  std::shared_ptr<void> held;   // of the budget for requests, as long as there is this one
  std::string id;
  std::vector<InputTensor> inputs;
  std::vector<WantedOutput> outputs;  // none: what the model gives where nothing is asked for
  bool binary = false;                // outputs that are not named
  std::uint64_t timeout_us = 0;
  double seconds = 0, utc = 0;        // when the picture was taken
  bool has_moment = false;

  std::string_view bytes(const InputTensor& input) const {
    return input.in_body ? std::string_view(body).substr(input.at, input.size) : std::string_view(input.made);
  }
};

struct OutputTensor {
  std::string name, datatype;
  std::vector<std::int64_t> shape;
  std::string bytes;
  bool binary = false;
};

struct InferResponse {
  std::string model, version, id;
  std::vector<OutputTensor> outputs;
};

/// A tensor as a model's metadata name it; -1 is an axis of any length.
struct TensorMeta {
  std::string name, datatype;
  std::vector<std::int64_t> shape;
};

/// The product of a shape's axes. Throws Refusal where one is negative or it is more than `most`.
std::size_t elements_of(const InputTensor& input, std::size_t most);

/// Bytes of one element; 0 for BYTES. Throws Refusal for a datatype that the protocol does not know.
std::size_t size_of_datatype(const std::string& datatype);

}  // namespace edgepack::program
