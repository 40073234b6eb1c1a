// The protocol's JSON: a request's, taken apart as it is read; and the answers'.
#pragma once

#include <string>
#include <vector>

#include "served.hpp"
#include "v2.hpp"

namespace edgepack::program {

/// body: JSON of the first `head` bytes, tensors' bytes in the rest. Throws Refusal.
InferRequest parse_infer(std::string body, std::size_t head);

struct InferBody {
  std::string text;
  std::size_t head;  // bytes of JSON, where others follow; else 0
};
InferBody write_infer(const InferResponse& response);

std::string error_json(const std::string& words);
std::string metadata_json(const Served& served);
std::string config_json(const Served& served);
std::string statistics_json(const std::vector<const Served*>& served);
std::string index_json(const std::vector<const Served*>& served);

}  // namespace edgepack::program
