#include <algorithm>
#include <optional>

#include "coding.hpp"
#include "config.hpp"
#include "json.hpp"
#include "service.hpp"
#include "service_config.hpp"
#include "v2_json.hpp"

namespace edgepack::program {

namespace {

int status_of(Why why) {
  switch (why) {
    case Why::invalid: return 400;
    case Why::missing: return 404;
    case Why::large: return 413;
    case Why::busy: return 503;
    case Why::late: return 504;
    case Why::unsupported: return 501;
    case Why::failed: break;
  }
  return 500;
}

HttpResponse error(const Refusal& refusal) {
  HttpResponse response{status_of(refusal.why), "application/json", error_json(refusal.what()), {}};
  if (refusal.why == Why::busy) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse json(std::string body) { return {200, "application/json", std::move(body), {}}; }

std::vector<std::string> words_of(const std::string& path) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < path.size() && words.size() < 8;) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    if (end > at + 1) words.push_back(path.substr(at + 1, end - at - 1));
    at = end;
  }
  return words;
}

void need(const HttpRequest& request, const char* method) {
  if (request.method == method) return;
  throw Refusal(Why::unsupported, request.path.substr(0, 200) + " takes " + method);
}

/// The body unpacked, where it came packed. On an instance's thread; what it grows by is taken of the same budget.
void unpack(HttpRequest& request, Coding coding) {
  if (coding == Coding::none) return;
  // http_server.cpp's: what a request holds is its share of the budget for bodies; without a body there is none.
  const auto share = std::static_pointer_cast<Budget::Share>(request.held);
  const auto grow = [&](std::size_t bytes) { return share == nullptr || share->grow(bytes); };
  request.body = unpacked(request.body, coding, service_config.request, grow);
}

/// JSON before the tensors' bytes, as its header says; else all of it.
std::size_t head_of(const HttpRequest& request) {
  const std::string* said = request.header("inference-header-content-length");
  if (said == nullptr) return request.body.size();
  const bool digits = !said->empty() && said->size() < 12 &&
                      std::all_of(said->begin(), said->end(), [](char c) { return c >= '0' && c <= '9'; });
  const std::uint64_t head = digits ? std::stoull(*said) : 0;
  if (!digits || head > request.body.size()) {
    throw Refusal(Why::invalid, "Inference-Header-Content-Length is not the length of the JSON in the body");
  }
  return static_cast<std::size_t>(head);
}

void infer(Service& service, Served& served, HttpRequest request, const HttpReply& reply) {
  const std::string* said = request.header("content-encoding");
  const std::optional<Coding> coding = said == nullptr ? Coding::none : coding_named(*said);
  if (!coding) {
    const std::string words = "Content-Encoding " + said->substr(0, 64) + " is not taken; gzip and deflate are";
    return reply.send({415, "application/json", error_json(words), {{"Accept-Encoding", "gzip, deflate"}}});
  }
  const std::string* accepts = request.header("accept-encoding");
  const Coding answer_in = accepts == nullptr ? Coding::none : coding_accepted(*accepts);
  Job job;
  job.served = &served;
  const auto body = std::make_shared<HttpRequest>(std::move(request));
  job.parse = [body, coding = *coding] {
    unpack(*body, coding);
    const std::size_t head = head_of(*body);
    InferRequest parsed = parse_infer(std::move(body->body), head);
    parsed.held = std::move(body->held);
    return parsed;
  };
  job.done = [reply, answer_in](const InferResponse& response) {
    InferBody answer = write_infer(response);
    HttpResponse sent{200, answer.head > 0 ? "application/octet-stream" : "application/json", std::move(answer.text), {}};
    if (answer.head > 0) sent.headers.emplace_back("Inference-Header-Content-Length", std::to_string(answer.head));
    if (std::optional<std::string> small = packed(sent.body, answer_in)) {
      sent.body = std::move(*small);
      sent.headers.emplace_back("Content-Encoding", name_of(answer_in));
    }
    reply.send(std::move(sent));
  };
  job.refused = [reply](const Refusal& refusal) { reply.send(error(refusal)); };
  service.workers().take(std::move(job));
}

std::string server_json() {
  Json json;
  json.open('{').key("name").string(config.name).key("version").string(config.version);
  return json.key("extensions").array(extensions()).close('}').text();
}

/// v2/models/NAME[/versions/V][/…]
void model(Service& service, const std::vector<std::string>& words, HttpRequest request, const HttpReply& reply) {
  const bool versioned = words.size() > 4 && words[3] == "versions";
  Served& served = service.find(words[2], versioned ? words[4] : "");
  const std::size_t rest = versioned ? 5 : 3;
  const std::string last = words.size() == rest + 1 ? words[rest] : words.size() == rest ? "" : "?";
  if (last == "infer") {
    need(request, "POST");
    return infer(service, served, std::move(request), reply);
  }
  need(request, "GET");
  if (last.empty()) return reply.send(json(metadata_json(served)));
  if (last == "ready") {
    return service.ready() ? reply.send(json("{}")) : reply.send(error(Refusal(Why::busy, "the service is ending")));
  }
  if (last == "config") return reply.send(json(config_json(served)));
  if (last == "stats") return reply.send(json(statistics_json({&served})));
  throw Refusal(Why::missing, "there is no " + request.path.substr(0, 200));
}

void route(Service& service, HttpRequest request, const HttpReply& reply) {
  const std::vector<std::string> words = words_of(request.path);
  const auto is = [&](std::initializer_list<const char*> path) {
    return std::equal(words.begin(), words.end(), path.begin(), path.end());
  };
  if (words.size() > 2 && words[0] == "v2" && words[1] == "models" && !is({"v2", "models", "stats"})) {
    return model(service, words, std::move(request), reply);
  }
  if (is({"v2", "repository", "index"})) {
    need(request, "POST");
    return reply.send(json(index_json(service.all())));
  }
  if (words.size() > 1 && words[0] == "v2" && (words[1] == "repository" || words[1] == "logging" || words[1] == "trace" ||
                                               words[1] == "systemsharedmemory" || words[1] == "cudasharedmemory")) {
    throw Refusal(Why::unsupported, request.path.substr(0, 200) + " is not offered: a release is what it was proven as");
  }
  need(request, "GET");
  if (is({"v2"})) return reply.send(json(server_json()));
  if (is({"v2", "health", "live"})) return reply.send(json("{}"));
  if (is({"v2", "health", "ready"})) {
    return service.ready() ? reply.send(json("{}")) : reply.send(error(Refusal(Why::busy, "the service is ending")));
  }
  if (is({"v2", "models", "stats"})) return reply.send(json(statistics_json(service.all())));
  throw Refusal(Why::missing, "there is no " + request.path.substr(0, 200));
}

}  // namespace

const std::vector<std::string>& extensions() {
  static const std::vector<std::string> names{"binary_tensor_data", "model_configuration", "statistics"};
  return names;
}

Served& Service::find(const std::string& name, const std::string& version) const {
  for (const auto& each : served_) {
    if (each->name() != name) continue;
    if (version.empty() || version == config.version) return *each;
    throw Refusal(Why::missing, "the model '" + name + "' has the version " + config.version + ", not '" +
                                    version.substr(0, 64) + "'");
  }
  throw Refusal(Why::missing, "there is no model '" + name.substr(0, 128) + "'");
}

std::vector<const Served*> Service::all() const {
  std::vector<const Served*> found;
  for (const auto& each : served_) found.push_back(each.get());
  return found;
}

HttpHandler v2_over_http(Service& service) {
  return [&service](HttpRequest request, HttpReply reply) {
    try {
      route(service, std::move(request), reply);
    } catch (const Refusal& refusal) {
      reply.send(error(refusal));
    } catch (const std::exception& failure) {
      reply.send(error(Refusal(Why::failed, failure.what())));
    }
  };
}

}  // namespace edgepack::program
