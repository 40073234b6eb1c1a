// The protocol's messages over gRPC: inference.GRPCInferenceService. Field numbers are those of the protocol's
// .proto; https://github.com/kserve/open-inference-protocol
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "served.hpp"
#include "v2.hpp"

namespace edgepack::program {

/// Who is asked for: ModelReady, ModelMetadata, ModelConfig, ModelStatistics. Throws Refusal.
struct NamedModel {
  std::string name, version;
};
NamedModel parse_named(std::string_view message);

/// The model of an inference, before the rest of it is looked at. Throws Refusal.
NamedModel parse_infer_model(std::string_view message);

/// body: the message, which the request keeps. Throws Refusal.
InferRequest parse_infer_proto(std::string body);
std::string infer_proto(const InferResponse& response);

std::string stream_proto(const std::string& error, const std::string& id, const std::string& infer_response);

std::string truth_proto(bool value);
std::string server_proto(const std::vector<std::string>& extensions);
std::string metadata_proto(const Served& served);
std::string config_proto(const Served& served);
std::string statistics_proto(const std::vector<const Served*>& served);
std::string index_proto(const std::vector<const Served*>& served);

}  // namespace edgepack::program
