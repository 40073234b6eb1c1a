// The `mail` sink: a mail where something has happened, through a relay of the site's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sinks/spooled_sink.hpp"

namespace edgepack::program {

/// Of edgepack.yaml. alarm: a field that becomes true. picture: the format of the one that goes along, or empty. every_s:
/// no more than one mail in so long. password_file: a whole path, one below the data folder, or empty.
struct MailSinkSays {
  std::string host;
  int port;
  std::string sender;
  std::vector<std::string> to;
  std::string subject, alarm, picture;
  std::vector<std::string> show;
  double every_s;
  std::string user, password_file;
  double timeout_s;
  SpoolSays spool;
};

std::unique_ptr<Sink> mail_sink(const std::string& data, const MailSinkSays& says);

}  // namespace edgepack::program
