// A mail as it is written (RFC 5322, MIME): whatever is in a record, it stays text, and never becomes a header.
#pragma once

#include <string>
#include <vector>

#include "edgepack/edgepack.h"

namespace edgepack::program {

/// What a mail says. picture: a file's bytes, empty where none goes along; picture_name: like "picture.jpg".
struct Letter {
  std::string sender;
  std::vector<std::string> to;
  std::string subject, text;  // UTF-8
  double utc = 0;
  std::string host, id;  // of its Message-ID, which stays the same when it is sent again
  std::string picture, picture_name;
};

/// Its lines, each ended by CR LF; there is no other CR or LF in it.
std::string mail_of(const Letter& letter);

/// pattern, with `{host}`, `{file}` and `{FIELD}` of the record filled in; one line of at most 150 bytes.
std::string filled(const std::string& pattern, const std::string& host, const std::string& file, const Record& record);

/// RFC 4648, in one line.
std::string base64(const std::string& bytes);

}  // namespace edgepack::program
