#include "grpc_server.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "config.hpp"
#include "grpc_call.hpp"
#include "v2_proto.hpp"

namespace edgepack::program {

namespace {

class Grpc : public Protocol {
 public:
  Grpc(Loop& loop, Connection& connection, const HttpLimits& limits, Service& service)
      : loop_(loop), connection_(connection), limits_(limits), service_(service) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session* session = nullptr;
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    session_.reset(session);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most_streams},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
                                               {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, most_head}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 3);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 << 20);
    flush();
  }

  void received(std::string_view bytes) override {
    // A frame at a time, so that after a connection's error no other is looked at: see nghttp2 in
    // edgepack/catalog/libraries.py.
    while (!bytes.empty() && nghttp2_session_want_read(session_.get()) != 0) {
      const std::string_view one = bytes.substr(0, frames_.next(bytes));
      bytes.remove_prefix(one.size());
      const auto took = nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(one.data()), one.size());
      flush();  // also why it ends, in a GOAWAY
      if (took < 0) return connection_.finish();
    }
  }

  void sent() override { flush(); }

  void drain() override {
    nghttp2_submit_shutdown_notice(session_.get());
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    draining_ = true;
    for (auto& [id, stream] : streams_) {
      if (stream.streaming && stream.under_way == 0 && !stream.done) end(id, unavailable, "the service is ending");
    }
    flush();
  }

  Clock::time_point deadline() const override {
    if (streams_.empty()) return quiet_since_ + (begun_ ? std::chrono::milliseconds(idle) : limits_.head);
    Clock::time_point first = Clock::time_point::max();
    for (const auto& [id, stream] : streams_) first = std::min(first, deadline_of(stream));
    return first;
  }

  bool expired() override {
    if (streams_.empty()) {
      nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
      flush();
      return true;
    }
    const auto now = Clock::now();
    for (auto& [id, stream] : streams_) {
      if (deadline_of(stream) >= now) continue;
      if (stream.done) {
        nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        stream.began = now;
      } else {
        end(id, late, "the request did not come in time");
      }
    }
    flush();
    return false;
  }

  std::size_t kept() const override {
    std::size_t bytes = 0;
    for (const auto& [id, stream] : streams_) bytes += stream.out.size() - stream.out_at;
    return bytes;
  }

  /// A message of an answer; on the loop's thread.
  void answered(std::int32_t id, Code code, const std::string& words, const std::string& message) {
    const auto at = streams_.find(id);
    if (at == streams_.end()) return;  // the peer has cancelled it
    Stream& stream = at->second;
    if (stream.under_way > 0) --stream.under_way;
    if (code != ok) {
      end(id, code, words);
    } else {
      begin_answer(id, stream);
      stream.out += framed(message);
      stream.began = Clock::now();
      if (!stream.streaming) stream.done = true;
      nghttp2_session_resume_data(session_.get(), id);
    }
    settle(id, stream);
    flush();
  }

 private:
  struct Delete {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  Clock::time_point deadline_of(const Stream& stream) const {
    if (stream.done) return stream.began + stuck;  // of an answer that the peer leaves no room for
    if (stream.under_way > 0) return Clock::time_point::max();
    if (stream.streaming && stream.body.empty()) return stream.began + idle;
    const auto seconds = static_cast<long>(stream.received / std::max<std::size_t>(limits_.rate, 1));
    return stream.began + limits_.head + std::chrono::seconds(seconds);
  }

  /// Gives the connection what there is to send, but not more than it can hold.
  void flush() {
    while (connection_.unsent() < enough_unsent) {
      const std::uint8_t* bytes = nullptr;
      const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
      if (size <= 0) break;
      connection_.send({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    }
    // A peer that asks and does not take the answers is not listened to.
    connection_.read(connection_.unsent() < enough_unsent);
    const bool over = nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
    if (over || (draining_ && streams_.empty() && nghttp2_session_want_write(session_.get()) == 0)) connection_.finish();
  }

  void begin_answer(std::int32_t id, Stream& stream) {
    if (stream.started) return;
    stream.started = true;
    const std::string status = "200", type = "application/grpc";
    const nghttp2_nv headers[] = {header(":status", status), header("content-type", type)};
    nghttp2_data_provider data{};
    data.source.ptr = this;
    data.read_callback = read_answer;
    nghttp2_submit_response(session_.get(), id, headers, 2, &data);
  }

  /// The end of an answer, with its status; once.
  void end(std::int32_t id, Code code, const std::string& words) {
    Stream& stream = streams_.at(id);
    if (stream.done) return;
    stream.done = true;
    stream.began = Clock::now();
    stream.code = code;
    stream.words = encoded(words);
    stream.body.clear();
    stream.share.reset();
    if (stream.started) {
      nghttp2_session_resume_data(session_.get(), id);
      return;
    }
    stream.started = true;
    const std::string status = "200", type = "application/grpc", number = std::to_string(code);
    const nghttp2_nv headers[] = {header(":status", status), header("content-type", type), header("grpc-status", number),
                                  header("grpc-message", stream.words)};
    nghttp2_submit_response(session_.get(), id, headers, 4, nullptr);
  }

  static ssize_t read_answer(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer, std::size_t length,
                             std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& self = *static_cast<Grpc*>(source->ptr);
    const auto at = self.streams_.find(id);
    if (at == self.streams_.end()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    Stream& stream = at->second;
    const std::size_t size = std::min(length, stream.out.size() - stream.out_at);
    std::copy_n(stream.out.data() + stream.out_at, size, buffer);
    stream.out_at += size;
    if (size > 0) stream.began = Clock::now();
    if (stream.out_at == stream.out.size()) {
      std::string().swap(stream.out);
      stream.out_at = 0;
      if (!stream.done) return size > 0 ? static_cast<ssize_t>(size) : static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED);
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::string number = std::to_string(stream.code);
      const nghttp2_nv trailers[] = {header("grpc-status", number), header("grpc-message", stream.words)};
      nghttp2_submit_trailer(session, id, trailers, stream.words.empty() ? 1 : 2);
    }
    return static_cast<ssize_t>(size);
  }

  static Grpc& self_of(void* user) { return *static_cast<Grpc*>(user); }

  /// An answer that is over before its question: the rest of that is not wanted. Not earlier, as a stream that
  /// is reset has no answer.
  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Grpc& self = self_of(user);
    const auto at = self.streams_.find(frame->hd.stream_id);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && frame->hd.type == NGHTTP2_HEADERS;
    if (end && at != self.streams_.end() && !at->second.over) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, at->first, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int on_begin(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Grpc& self = self_of(user);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self.begun_ = true;
      self.streams_.emplace(frame->hd.stream_id, Stream{});
    }
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Grpc& self = self_of(user);
    const auto at = self.streams_.find(frame->hd.stream_id);
    if (at == self.streams_.end()) return 0;
    Stream& stream = at->second;
    stream.head += name_size + value_size + 32;
    if (stream.head > most_head) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // the stream is reset
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":method") stream.method = text;
    if (key == ":path") stream.path = text;
    if (key == "content-type") stream.type = text;
    if (key == "grpc-encoding") stream.encoding = text;
    if (key == "grpc-timeout") stream.timeout = timeout_of(text);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Grpc& self = self_of(user);
    const auto at = self.streams_.find(frame->hd.stream_id);
    if (at == self.streams_.end()) return 0;
    Stream& stream = at->second;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) self.begin(at->first, stream);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
      stream.over = true;
      self.guarded(at->first, stream, [&] { self.take_messages(at->first, stream); });
    }
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user) {
    Grpc& self = self_of(user);
    const auto at = self.streams_.find(id);
    if (at == self.streams_.end() || at->second.done) return 0;
    Stream& stream = at->second;
    self.guarded(id, stream, [&] {
      stream.received += size;
      if (!stream.share) stream.share = std::make_shared<Budget::Share>(self.limits_.budget);
      if (stream.body.size() + size > self.limits_.body + prefix) {
        return self.end(id, exhausted, "the message is larger than " + std::to_string(self.limits_.body) + " bytes");
      }
      if (!stream.share->grow(size)) return self.end(id, unavailable, "too many requests are being received: try again later");
      stream.body.append(reinterpret_cast<const char*>(data), size);
      if (stream.streaming) self.take_messages(id, stream);
    });
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    Grpc& self = self_of(user);
    self.streams_.erase(id);
    self.quiet_since_ = Clock::now();
    return 0;
  }

  /// What is wrong with one call ends that call.
  template <class Work>
  void guarded(std::int32_t id, Stream& stream, Work work) {
    if (stream.done) return;
    try {
      work();
    } catch (const Refusal& refusal) {
      end(id, code_of(refusal.why), refusal.what());
    } catch (const std::exception& failure) {
      end(id, internal, failure.what());
    }
  }

  void begin(std::int32_t id, Stream& stream) {
    const std::string grpc = "application/grpc";
    const bool typed = stream.type.compare(0, grpc.size(), grpc) == 0 &&
                       (stream.type.size() == grpc.size() || stream.type[grpc.size()] == '+' || stream.type[grpc.size()] == ';');
    if (stream.method != "POST" || !typed) {
      const std::string status = "415";
      const nghttp2_nv headers[] = {header(":status", status)};
      stream.started = stream.done = true;
      nghttp2_submit_response(session_.get(), id, headers, 1, nullptr);
      return;
    }
    if (draining_) return end(id, unavailable, "the service is ending");
    stream.streaming = stream.path == "/inference.GRPCInferenceService/ModelStreamInfer";
  }

  /// Whole messages of what came: each is its length after a byte of flags, and then it.
  void take_messages(std::int32_t id, Stream& stream) {
    while (!stream.done && stream.body.size() >= prefix) {
      if (stream.body[0] != '\0') {
        throw Refusal(Why::unsupported, "compressed messages (" + stream.encoding.substr(0, 32) + ") are not taken");
      }
      std::size_t size = 0;
      for (std::size_t i = 1; i < prefix; ++i) size = size << 8U | static_cast<unsigned char>(stream.body[i]);
      if (size > limits_.body) {
        return end(id, exhausted, "the message is larger than " + std::to_string(limits_.body) + " bytes");
      }
      if (stream.body.size() < prefix + size) break;
      if (stream.asked && !stream.streaming) throw Refusal(Why::invalid, "one call has one message");
      if (stream.streaming && stream.under_way >= most_streams) {
        return end(id, exhausted, "more than 32 requests of one stream wait");
      }
      std::string message = stream.body.substr(prefix, size);
      stream.body.erase(0, prefix + size);
      stream.asked = true;
      stream.began = Clock::now();
      stream.received = 0;
      call(id, stream, std::move(message), std::exchange(stream.share, nullptr));
    }
    if (!stream.over || stream.done) return;
    if (!stream.body.empty()) throw Refusal(Why::invalid, "the message is cut off");
    if (!stream.asked && !stream.streaming) throw Refusal(Why::invalid, "the call has no message");
    settle(id, stream);
  }

  /// A stream is over once the peer has nothing more to ask and all is answered.
  void settle(std::int32_t id, Stream& stream) {
    if (stream.streaming && stream.under_way == 0 && !stream.done && (stream.over || draining_)) {
      if (stream.started) {
        stream.done = true;
        nghttp2_session_resume_data(session_.get(), id);
      } else {
        end(id, ok, "");
      }
    }
  }

  void call(std::int32_t id, Stream& stream, std::string message, std::shared_ptr<Budget::Share> share) {
    const std::string service = "/inference.GRPCInferenceService/";
    if (stream.path.compare(0, service.size(), service) != 0) {
      throw Refusal(Why::unsupported, "there is no method " + stream.path.substr(0, 200));
    }
    const std::string method = stream.path.substr(service.size());
    if (method == "ModelInfer" || method == "ModelStreamInfer") {
      ++stream.under_way;
      return infer(id, stream, std::move(message), std::move(share));
    }
    const std::string answer = simple(service_, method, message);
    begin_answer(id, stream);
    stream.out += framed(answer);
    stream.done = true;
    nghttp2_session_resume_data(session_.get(), id);
  }

  void infer(std::int32_t id, Stream& stream, std::string message, std::shared_ptr<Budget::Share> share) {
    const auto way = [&to = loop_, connection = connection_.id(), id](Code code, std::string words, std::string bytes) {
      to.post([&to, connection, id, code, words = std::move(words), bytes = std::move(bytes)] {
        if (auto* grpc = dynamic_cast<Grpc*>(to.find(connection))) grpc->answered(id, code, words, bytes);
      });
    };
    infer_by(service_, stream, way, std::move(message), std::move(share));
  }

  Loop& loop_;
  Connection& connection_;
  const HttpLimits& limits_;
  Service& service_;
  std::unique_ptr<nghttp2_session, Delete> session_;
  std::map<std::int32_t, Stream> streams_;
  Clock::time_point quiet_since_ = Clock::now();
  Frames frames_;
  bool begun_ = false, draining_ = false;
};

}  // namespace

int serve_grpc(Loop& loop, const std::string& address, int port, HttpLimits limits, Service& service) {
  auto shared = std::make_shared<HttpLimits>(std::move(limits));
  return loop.listen(address, port, [&loop, &service, shared](Connection& connection) {
    return std::make_unique<Grpc>(loop, connection, *shared, service);
  });
}

}  // namespace edgepack::program
