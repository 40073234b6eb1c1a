#include "sources/tensors_source.hpp"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "event_loop.hpp"
#include "http_server.hpp"
#include "json.hpp"
#include "placed.hpp"
#include "shapes.hpp"
#include "sources/tensors_request.hpp"

namespace edgepack::program {

namespace {

constexpr const char* as_json = "application/json";
constexpr std::size_t most_nodes = 256;

HttpResponse no(int status, const std::string& words) {
  HttpResponse response{status, as_json, Json().open('{').key("error").string(words).close('}').text() + "\n"};
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse yes(const Json& json) { return {200, as_json, json.text() + "\n"}; }

/// {"name": …, "datatype": …, "shape": […]}
void describe(Json& json, const std::string& name, const std::string& type, const std::vector<std::int64_t>& shape) {
  json.open('{').key("name").string(name).key("datatype").string(type).key("shape").array(shape).close('}');
}

class TensorsSource : public Source, public Placing {
 public:
  explicit TensorsSource(const TensorsSourceSays& says)
      : model_("/v2/models/" + config.name),
        shown_("tensors by POST http://" + (says.address.find(':') == std::string::npos ? says.address : "[" + says.address + "]") + ":" +
               std::to_string(says.port) + model_ + "/infer"),
        depth_(static_cast<std::size_t>(says.waiting)) {
    HttpLimits limits;
    limits.body = elements(config.input.shape) * sizeof(float) + most_tensors_head;  // the model says how much there can be
    limits.budget = std::make_shared<Budget>(limits.body * (depth_ + 4));
    loop_.grace(std::chrono::milliseconds(2000));
    serve_http(loop_, says.address, says.port, limits, [this](HttpRequest request, const HttpReply& reply) {
      try {
        take(std::move(request), reply);
      } catch (const Unfit& unfit) {
        reply.send(no(400, unfit.what()));
      }
    });
    thread_ = std::thread([this] { loop_.run(); });
  }

  ~TensorsSource() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      waiting_.clear();  // each is answered: see Asked
    }
    loop_.stop();
    thread_.join();
  }
  TensorsSource(const TensorsSource&) = delete;
  TensorsSource& operator=(const TensorsSource&) = delete;

  std::optional<Picture> next(std::chrono::milliseconds patience) override {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!came_.wait_for(lock, patience, [this] { return !waiting_.empty(); })) return std::nullopt;
    auto asked = std::move(waiting_.front());
    waiting_.pop_front();
    Picture picture;
    picture.name = asked->said.id;
    picture.when = asked->said.when;
    picture.mine = asked;
    picture.pixels = [asked] {
      Tensor tensor{config.input.shape, std::vector<float>(elements(config.input.shape))};
      const std::size_t bytes = tensor.data.size() * sizeof(float);  // held to what came: see `hold`
      std::memcpy(tensor.data.data(), asked->request.body.data() + (asked->request.body.size() - bytes), bytes);
      asked->request = HttpRequest();  // what it has taken of the budget, too
      return tensor;
    };
    return picture;
  }

  std::string settled(const Picture& picture, Fate fate, const std::string& said) override {
    auto& asked = *static_cast<Asked*>(picture.mine.get());
    switch (fate) {
      case Fate::answered: asked.reply.send(record(asked, said)); break;
      case Fate::refused: asked.reply.send(no(422, said)); break;
      case Fate::dropped: asked.reply.send(no(503, "newer ones came: try again")); break;
      case Fate::left: break;  // as it goes: see below
    }
    return "";
  }

  blocks::Geometry place(const Picture& picture) const override {
    return static_cast<const Asked*>(picture.mine.get())->said.geometry;
  }

  std::string about() const override { return shown_; }

 private:
  /// One request that somebody waits for.
  struct Asked {
    Asked(HttpRequest asked_for, HttpReply way_back, TensorsRequest read)
        : request(std::move(asked_for)), reply(std::move(way_back)), said(std::move(read)) {}
    Asked(const Asked&) = delete;
    Asked& operator=(const Asked&) = delete;
    ~Asked() { reply.send(no(503, "the program ends: try again")); }  // unless it was answered

    HttpRequest request;
    HttpReply reply;
    TensorsRequest said;
  };

  /// On the loop's thread.
  void take(HttpRequest request, const HttpReply& reply) {
    if (request.path != model_ + "/infer") return reply.send(tell(request));
    if (request.method != "POST") return reply.send(no(405, request.path + " takes POST"));
    if (const std::string* coding = request.header("content-encoding"); coding != nullptr && *coding != "identity") {
      return reply.send(no(415, "compressed requests are not taken"));
    }
    TensorsRequest said = read_tensors(request.body, request.header("inference-header-content-length"), config.input);
    if (said.id.empty()) said.id = "tensors-" + std::to_string(++count_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (waiting_.size() >= depth_) return reply.send(no(503, "too many requests wait: try again"));
      waiting_.push_back(std::make_shared<Asked>(std::move(request), reply, std::move(said)));
    }
    came_.notify_one();
  }

  /// What a client asks before it sends something.
  HttpResponse tell(const HttpRequest& request) const {
    const std::string& path = request.path;
    const bool ready = path == "/v2/health/live" || path == "/v2/health/ready" || path == model_ + "/ready";
    if (!ready && path != "/v2" && path != model_) return no(404, "there is no " + path.substr(0, 200) + "; tensors go to " + model_ + "/infer");
    if (request.method != "GET") return no(405, path + " takes GET");
    Json json;
    if (ready) return yes(json.open('{').close('}'));
    json.open('{').key("name").string(config.name);
    if (path == "/v2") {
      return yes(json.key("version").string(config.version).key("extensions").array(std::vector<std::string>{"binary_tensor_data"}).close('}'));
    }
    std::vector<std::int64_t> shape{1};
    shape.insert(shape.end(), config.input.shape.begin(), config.input.shape.end());
    describe(json.key("versions").array(std::vector<std::string>{config.version}).key("platform").string("edgepack").key("inputs").open('['),
             config.input.tensor, "FP32", shape);
    describe(json.close(']').key("outputs").open('['), "record", "BYTES", {1});
    return yes(json.close(']').close('}'));
  }

  /// The record as the model's one output, as the form `service` answers for a picture.
  static HttpResponse record(const Asked& asked, const std::string& said) {
    Json json;
    json.open('{').key("model_name").string(config.name).key("model_version").string(config.version).key("id").string(asked.said.id);
    json.key("outputs").open('[').open('{').key("name").string("record").key("datatype").string("BYTES").key("shape").open('[').integer(1).close(']');
    json.key("data").open('[').string(said).close(']').close('}').close(']').close('}');
    return yes(json);
  }

  const std::string model_, shown_;
  const std::size_t depth_;
  std::uint64_t count_ = 0;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::shared_ptr<Asked>> waiting_;
  Loop loop_{most_nodes};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Source> tensors_source(const std::string&, const TensorsSourceSays& says) {
  return std::make_unique<TensorsSource>(says);
}

}  // namespace edgepack::program
