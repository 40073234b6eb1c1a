// A mail relay as a peer: SMTP (RFC 5321) in plain text.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sinks/spooled_sink.hpp"

namespace edgepack::program {

struct SmtpSays {
  std::string host;
  int port;
  std::string here;  // how the box calls itself
  std::string sender;
  std::vector<std::string> to;
  std::string user, password_path;  // the latter empty where nobody logs in
  double timeout_s;
};

/// A mail in one line of the spool: its lines ended by a bare CR, of which there are no others. And back.
std::string one_line(const std::string& mail);

/// refused: counts the mails that the relay has refused for good, and that are given up.
std::unique_ptr<Peer> smtp_peer(const SmtpSays& says, std::shared_ptr<std::atomic<std::int64_t>> refused);

}  // namespace edgepack::program
