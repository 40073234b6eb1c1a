// A licence as it is written, and what it is worth: decided from its bytes, a box and a time alone.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace edgepack::program {

/// Whose licences are taken, and for which app.
struct Issuers {
  std::string app;
  std::vector<std::string> keys;  // Ed25519, 64 hexadecimal digits each
};

/// How a licence stands.
struct Standing {
  std::string state;  // "valid", "grace"; else why not: "missing", "damaged", "forged", "app", "device", "early", "ended"
  std::string words;  // the same for people
  std::string node, until;              // as the licence says them
  std::int64_t ends = 0, stops = 0;     // seconds since 1970: its last second, and that of its grace time
  std::int64_t issued = 0;              // when it was signed
  std::vector<std::string> features{};  // what it opens; none where it does not hold

  bool holds() const { return state == "valid" || state == "grace"; }
};

/// When it was signed, where one of these keys signed it; else 0. Time has passed that point, whatever a clock says.
std::int64_t issued_at(const std::string& text, const Issuers& issuers);

/// box: what `fingerprints` gave. now: seconds since 1970.
Standing judge(const std::string& text, const Issuers& issuers,
               const std::vector<std::pair<std::string, std::string>>& box, std::int64_t now);

/// 2026-11-21
std::string day_of(std::int64_t seconds);

}  // namespace edgepack::program
