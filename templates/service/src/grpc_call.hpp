// What a gRPC call is made of; for grpc_server.cpp alone.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http_server.hpp"
#include "service.hpp"
#include "v2.hpp"
#include "v2_proto.hpp"

namespace edgepack::program {

namespace {

constexpr std::uint32_t most_streams = 32;
constexpr std::size_t most_head = 16384, enough_unsent = 1 << 20, prefix = 5;
constexpr std::chrono::seconds idle{300}, stuck{30};

// https://grpc.io/docs/guides/status-codes/
enum Code { ok = 0, invalid = 3, late = 4, missing = 5, exhausted = 8, unimplemented = 12, internal = 13, unavailable = 14 };

Code code_of(Why why) {
  switch (why) {
    case Why::invalid: return invalid;
    case Why::missing: return missing;
    case Why::large: return exhausted;
    case Why::busy: return unavailable;
    case Why::late: return late;
    case Why::unsupported: return unimplemented;
    case Why::failed: break;
  }
  return internal;
}

/// As a grpc-message is written: what is not plain ASCII is percent-encoded.
std::string encoded(const std::string& words) {
  std::string text;
  for (const char c : words.substr(0, 1024)) {
    if (c >= 0x20 && c < 0x7F && c != '%') {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += '%';
      text += "0123456789ABCDEF"[byte >> 4U];
      text += "0123456789ABCDEF"[byte & 15U];
    }
  }
  return text;
}

/// A header "grpc-timeout": digits and a unit. Zero where it is not one.
std::chrono::nanoseconds timeout_of(const std::string& text) {
  if (text.size() < 2 || text.size() > 9) return {};
  std::int64_t number = 0;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return {};
    number = number * 10 + (text[i] - '0');
  }
  // More than a day is none: hours of eight digits are no nanoseconds of 64 bits.
  switch (text.back()) {
    case 'H': return std::chrono::hours(std::min<std::int64_t>(number, 24));
    case 'M': return std::chrono::minutes(std::min<std::int64_t>(number, 1440));
    case 'S': return std::chrono::seconds(std::min<std::int64_t>(number, 86400));
    case 'm': return std::chrono::milliseconds(number);
    case 'u': return std::chrono::microseconds(number);
    case 'n': return std::chrono::nanoseconds(number);
    default: return {};
  }
}

std::string framed(const std::string& message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string text(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(static_cast<unsigned char>(size >> shift));
  return text + message;
}

nghttp2_nv header(const char* name, const std::string& value) {
  // nghttp2 copies both.
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::char_traits<char>::length(name),
          value.size(), NGHTTP2_NV_FLAG_NONE};
}

/// Where in what a client sends a frame ends: after 24 bytes of greeting each has a head of 9, of which the
/// first 3 are the length of the rest (RFC 9113, 3.4 and 4.1).
class Frames {
 public:
  /// How many of these bytes belong to the frame at hand; at least one, where there is one.
  std::size_t next(std::string_view bytes) {
    std::size_t count = 0;
    if (left_ == 0) {
      while (head_.size() < 9 && count < bytes.size()) head_ += bytes[count++];
      if (head_.size() < 9) return count;
      for (std::size_t i = 0; i < 3; ++i) left_ = left_ << 8U | static_cast<unsigned char>(head_[i]);
      head_.clear();
    }
    const std::size_t more = std::min(left_, bytes.size() - count);
    left_ -= more;
    return count + more;
  }

 private:
  std::size_t left_ = 24;
  std::string head_;
};

/// One call.
struct Stream {
  std::string method, path, type, encoding;
  std::size_t head = 0;
  std::chrono::nanoseconds timeout{};
  std::string body;  // what came and was not taken yet
  std::shared_ptr<Budget::Share> share;
  Clock::time_point began = Clock::now();
  std::size_t received = 0;
  bool streaming = false, asked = false, over = false;  // asked: the one message; over: the peer sends no more
  std::size_t under_way = 0;
  std::string out;                                      // of the answer
  std::size_t out_at = 0;
  bool started = false, done = false;                   // the answer
  Code code = ok;
  std::string words;
};

/// What is answered at once.
std::string simple(const Service& service, const std::string& method, const std::string& message) {
  const auto named = [&]() -> Served& {
    const NamedModel model = parse_named(message);
    return service.find(model.name, model.version);
  };
  if (method == "ServerLive") return truth_proto(true);
  if (method == "ServerReady") return truth_proto(service.ready());
  if (method == "ServerMetadata") return server_proto(extensions());
  if (method == "ModelReady") return named(), truth_proto(service.ready());
  if (method == "ModelMetadata") return metadata_proto(named());
  if (method == "ModelConfig") return config_proto(named());
  if (method == "RepositoryIndex") return index_proto(service.all());
  if (method == "ModelStatistics") {
    const NamedModel model = parse_named(message);
    if (model.name.empty()) return statistics_proto(service.all());
    return statistics_proto({&service.find(model.name, model.version)});
  }
  throw Refusal(Why::unsupported, method.substr(0, 64) + " is not offered: a release is what it was proven as");
}

using Way = std::function<void(Code, std::string, std::string)>;

/// Puts an inference into the queue; its answer goes that way.
void infer_by(Service& service, const Stream& stream, const Way& way, std::string message,
              std::shared_ptr<Budget::Share> share) {
  const bool streaming = stream.streaming;
  // In a stream an error is an answer like others, and the next request is answered all the same.
  auto request_id = std::make_shared<std::string>();
  const auto refused = [way, streaming, request_id](const Refusal& refusal) {
    if (streaming) return way(ok, "", stream_proto(refusal.what(), *request_id, ""));
    way(code_of(refusal.why), refusal.what(), "");
  };
  Job job;
  try {
    const NamedModel model = parse_infer_model(message);
    job.served = &service.find(model.name, model.version);
  } catch (const Refusal& refusal) {
    return refused(refusal);
  }
  if (stream.timeout.count() > 0) job.deadline = Clock::now() + stream.timeout;
  const auto body = std::make_shared<std::string>(std::move(message));
  job.parse = [body, share, request_id] {
    InferRequest request = parse_infer_proto(std::move(*body));
    request.held = share;
    *request_id = request.id;
    return request;
  };
  job.done = [way, streaming](const InferResponse& response) {
    std::string bytes = infer_proto(response);
    way(ok, "", streaming ? stream_proto("", "", bytes) : std::move(bytes));
  };
  job.refused = refused;
  service.workers().take(std::move(job));
}

}  // namespace

}  // namespace edgepack::program
