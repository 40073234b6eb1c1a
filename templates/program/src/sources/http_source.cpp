#include "sources/http_source.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "event_loop.hpp"
#include "http_server.hpp"
#include "image.hpp"
#include "json.hpp"

namespace edgepack::program {

namespace {

constexpr const char* plain_json = "application/json";
constexpr std::size_t most_connections = 256, longest_name = 200;

HttpResponse wrong(int status, const std::string& words) {
  HttpResponse response{status, plain_json, Json().open('{').key("error").string(words).close('}').text() + "\n"};
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  if (status == 405) response.headers.emplace_back("Allow", "POST");
  return response;
}

class HttpSource : public Source {
 public:
  explicit HttpSource(const HttpSourceSays& says)
      : shown_("POST http://" + (says.address.find(':') == std::string::npos ? says.address : "[" + says.address + "]") +
               ":" + std::to_string(says.port) + "/"),
        depth_(static_cast<std::size_t>(says.waiting)) {
    HttpLimits limits;
    limits.body = static_cast<std::size_t>(says.most_bytes);
    limits.budget = std::make_shared<Budget>(limits.body * 4);
    loop_.grace(std::chrono::milliseconds(2000));
    serve_http(loop_, says.address, says.port, limits,
               [this](HttpRequest request, const HttpReply& reply) { take(std::move(request), reply); });
    thread_ = std::thread([this] { loop_.run(); });
  }

  ~HttpSource() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      waiting_.clear();  // each is answered: see Asked
    }
    loop_.stop();
    thread_.join();
  }
  HttpSource(const HttpSource&) = delete;
  HttpSource& operator=(const HttpSource&) = delete;

  std::optional<Picture> next(std::chrono::milliseconds patience) override {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!came_.wait_for(lock, patience, [this] { return !waiting_.empty(); })) return std::nullopt;
    auto asked = std::move(waiting_.front());
    waiting_.pop_front();
    Picture picture;
    picture.name = asked->name;
    picture.mine = asked;
    picture.pixels = [asked] {
      const std::string& body = asked->request.body;
      const std::vector<unsigned char> bytes(body.begin(), body.end());
      asked->request = HttpRequest();  // what it has taken of the budget, too
      return decode_image(bytes, asked->name);
    };
    return picture;
  }

  std::string settled(const Picture& picture, Fate fate, const std::string& said) override {
    auto& asked = *static_cast<Asked*>(picture.mine.get());
    switch (fate) {
      case Fate::answered: asked.reply.send({200, plain_json, said + "\n"}); break;
      case Fate::refused: asked.reply.send(wrong(422, said)); break;
      case Fate::dropped: asked.reply.send(wrong(503, "newer images came: try again")); break;
      case Fate::left: break;  // as it goes: see below
    }
    return "";
  }

  std::string about() const override { return shown_; }

 private:
  /// One image that somebody waits for.
  struct Asked {
    Asked(HttpRequest asked_for, HttpReply way_back, std::string called)
        : request(std::move(asked_for)), reply(std::move(way_back)), name(std::move(called)) {}
    Asked(const Asked&) = delete;
    Asked& operator=(const Asked&) = delete;
    ~Asked() { reply.send(wrong(503, "the program ends: try again")); }  // unless it was answered

    HttpRequest request;
    HttpReply reply;
    std::string name;
  };

  /// On the loop's thread.
  void take(HttpRequest request, const HttpReply& reply) {
    if (request.path != "/") return reply.send(wrong(404, "images are taken by POST /"));
    if (request.method != "POST") return reply.send(wrong(405, "images are taken by POST /"));
    if (request.body.empty()) return reply.send(wrong(400, "there is no image in it: it is the body, as it is"));
    const std::string* said = request.header("x-name");
    std::string name = said != nullptr && !said->empty() && said->size() <= longest_name
                           ? *said
                           : "http-" + std::to_string(++count_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (waiting_.size() >= depth_) return reply.send(wrong(503, "too many images wait: try again"));
      waiting_.push_back(std::make_shared<Asked>(std::move(request), reply, std::move(name)));
    }
    came_.notify_one();
  }

  const std::string shown_;
  const std::size_t depth_;
  std::uint64_t count_ = 0;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::shared_ptr<Asked>> waiting_;
  Loop loop_{most_connections};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Source> http_source(const std::string&, const HttpSourceSays& says) {
  return std::make_unique<HttpSource>(says);
}

}  // namespace edgepack::program
