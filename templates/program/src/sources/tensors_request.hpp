// What a request for inference says before its tensor's bytes, held to what the model takes.
#pragma once

#include <stdexcept>
#include <string>

#include "blocks/geometry.hpp"
#include "config.hpp"
#include "edgepack/edgepack.h"

namespace edgepack::program {

/// It does not fit; in words, for who asked.
struct Unfit : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr std::size_t most_tensors_head = 64U << 10U;  // bytes of JSON

struct TensorsRequest {
  std::string id;
  Moment when{};                // 0 where it does not say
  blocks::Geometry geometry{};  // nothing known where it does not say
};

/// body: JSON of the first bytes, so many as `head` (the header Inference-Header-Content-Length) says; the rest is the
/// bytes of `input`, and nothing else. Throws Unfit.
TensorsRequest read_tensors(const std::string& body, const std::string* head, const TensorInfo& input);

}  // namespace edgepack::program
