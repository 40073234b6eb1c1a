#include "sinks/mqtt_sink.hpp"

#include <unistd.h>

#include <cstdint>
#include <random>
#include <set>
#include <utility>

namespace edgepack::program {

namespace {

// http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html, sections 2.2 and 3.
namespace mqtt {
constexpr unsigned char connect = 0x10, connack = 0x20, publish = 0x30, puback = 0x40, pingreq = 0xC0, pingresp = 0xD0,
                        disconnect = 0xE0;
constexpr std::size_t longest_payload = 268435455;  // of a packet, 2.2.3
constexpr std::size_t longest_answer = 1024;        // of what a broker may send to who subscribes to nothing

std::string sixteen(std::size_t value) {
  return {static_cast<char>(value >> 8U & 0xFFU), static_cast<char>(value & 0xFFU)};
}

std::string text(const std::string& value) { return sixteen(value.size()) + value; }

std::string packet(unsigned char kind, const std::string& body) {
  std::string head(1, static_cast<char>(kind));
  std::size_t left = body.size();
  do {
    const auto digit = static_cast<unsigned char>(left & 0x7FU);
    left >>= 7U;
    head += static_cast<char>(left > 0 ? digit | 0x80U : digit);
  } while (left > 0);
  return head + body;
}

const char* refusal(unsigned char code) {
  switch (code) {
    case 1: return "it does not speak MQTT 3.1.1";
    case 2: return "it refuses the client's name";
    case 3: return "it is not available";
    case 4: return "user or password are malformed";
    case 5: return "this user may not connect";
    default: return "it refuses for a reason that there is none of";
  }
}
}  // namespace mqtt

class MqttPeer : public Peer {
 public:
  MqttPeer(std::string data, MqttSinkSays says) : data_(std::move(data)), says_(std::move(says)) {}

  void deliver(const std::vector<std::string>& lines, const std::atomic<bool>& end) override {
    const Patience patience(timeout(), end);
    if (socket_.open() && socket_.stirs()) leave();  // nobody was asked: it has gone, or says nonsense
    if (!socket_.open()) connect(patience);
    std::set<std::uint16_t> open;
    for (const std::string& line : lines) {
      std::string body = mqtt::text(says_.topic);
      if (says_.qos > 0) {
        next_ = next_ == 0xFFFF ? 1 : static_cast<std::uint16_t>(next_ + 1);
        open.insert(next_);
        body += mqtt::sixteen(next_);
      }
      body += line;
      if (body.size() > mqtt::longest_payload) throw PeerError("an answer is too large for MQTT");
      const unsigned flags = static_cast<unsigned>(says_.qos) << 1U | (says_.retain ? 1U : 0U);
      send(mqtt::packet(static_cast<unsigned char>(mqtt::publish | flags), body), patience);
    }
    while (!open.empty()) {
      const Packet packet = receive(patience);
      if (packet.kind == mqtt::pingresp) continue;
      if (packet.kind != mqtt::puback || packet.body.size() != 2) throw PeerError("it says what a broker must not");
      open.erase(static_cast<std::uint16_t>(byte(packet.body, 0) << 8U | byte(packet.body, 1)));
    }
    // With QoS 0 nothing is confirmed; what it says after all of them shows at least that it has read them.
    if (says_.qos == 0) ping(patience);
  }

  void idle(const std::atomic<bool>& end) override {
    if (!socket_.open()) return;
    if (socket_.stirs()) return leave();
    if (says_.keepalive_s > 0 && Clock::now() - said_ > std::chrono::milliseconds(says_.keepalive_s * 500)) {
      ping(Patience(timeout(), end));
    }
  }

  void leave() override {
    if (socket_.open()) {
      try {
        const std::atomic<bool> end{false};
        socket_.send(mqtt::packet(mqtt::disconnect, ""), Patience(std::chrono::milliseconds(100), end));
      } catch (const PeerError&) {  // it has gone before
      }
    }
    socket_ = Socket();
  }

  std::size_t most_lines() const override { return 50; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Packet {
    unsigned char kind;
    std::string body;
  };

  static unsigned char byte(const std::string& text, std::size_t at) { return static_cast<unsigned char>(text.at(at)); }
  std::chrono::milliseconds timeout() const { return std::chrono::milliseconds(static_cast<long>(says_.timeout_s * 1000)); }

  void send(const std::string& bytes, const Patience& patience) {
    socket_.send(bytes, patience);
    said_ = Clock::now();
  }

  void connect(const Patience& patience) {
    std::string password;
    if (!says_.password_file.empty()) {
      password = secret(says_.password_file[0] == '/' ? says_.password_file : data_ + "/" + says_.password_file);
    }
    socket_ = Socket::to(says_.host, says_.port, patience);
    unsigned flags = 0x02;  // a clean session: what is to be kept, the spool keeps
    if (!says_.user.empty()) flags |= 0x80U;
    if (!password.empty()) flags |= 0x40U;
    std::string body = mqtt::text("MQTT") + std::string(1, '\x04') + static_cast<char>(flags) +
                       mqtt::sixteen(static_cast<std::size_t>(says_.keepalive_s)) + mqtt::text(says_.client);
    if (!says_.user.empty()) body += mqtt::text(says_.user);
    if (!password.empty()) body += mqtt::text(password);
    send(mqtt::packet(mqtt::connect, body), patience);
    const Packet answer = receive(patience);
    if (answer.kind != mqtt::connack || answer.body.size() != 2) throw PeerError("not an MQTT broker");
    if (byte(answer.body, 1) != 0) throw PeerError(mqtt::refusal(byte(answer.body, 1)));
  }

  void ping(const Patience& patience) {
    send(mqtt::packet(mqtt::pingreq, ""), patience);
    if (receive(patience).kind != mqtt::pingresp) throw PeerError("it says what a broker must not");
  }

  Packet receive(const Patience& patience) {
    Packet packet{byte(socket_.exactly(1, patience), 0), ""};
    std::size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
      const unsigned char digit = byte(socket_.exactly(1, patience), 0);
      length |= static_cast<std::size_t>(digit & 0x7FU) << shift;
      if ((digit & 0x80U) == 0) break;
      if (shift > 14) throw PeerError("not an MQTT broker");
    }
    if (length > mqtt::longest_answer) throw PeerError("not an MQTT broker");
    packet.body = socket_.exactly(length, patience);
    return packet;
  }

  const std::string data_;
  const MqttSinkSays says_;
  Socket socket_;
  Clock::time_point said_{};
  std::uint16_t next_ = 0;  // the last packet's number
};

std::string with_host(std::string text) {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  for (std::size_t at; (at = text.find("{host}")) != std::string::npos;) text.replace(at, 6, name);
  return text;
}

std::string random_name() {
  std::random_device dice;
  std::string name = "edgepack-";
  for (int i = 0; i < 12; ++i) name += "0123456789abcdef"[dice() & 15U];
  return name;
}

}  // namespace

std::unique_ptr<Sink> mqtt_sink(const std::string& data, const MqttSinkSays& says) {
  MqttSinkSays here = says;
  here.topic = with_host(says.topic);
  here.client = says.client.empty() ? random_name() : with_host(says.client);
  const std::string shown = "mqtt://" + says.host + ":" + std::to_string(says.port) + "/" + here.topic;
  return std::make_unique<SpooledSink>(data, says.spool, shown, std::make_unique<MqttPeer>(data, here));
}

}  // namespace edgepack::program
