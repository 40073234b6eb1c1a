#include "licence_text.hpp"

#include <sodium/crypto_sign_ed25519.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <optional>

namespace edgepack::program {

namespace {

constexpr std::int64_t day_s = 24 * 60 * 60, most_days = 3660;

/// Bytes of hexadecimal digits; nothing where there are not `count` of them.
std::vector<unsigned char> bytes_of(const std::string& hex, std::size_t count) {
  std::vector<unsigned char> bytes;
  if (hex.size() != 2 * count) return bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    int byte = 0;
    for (const char c : {hex[i], hex[i + 1]}) {
      const std::size_t digit = std::string("0123456789abcdef").find(c);
      if (digit == std::string::npos) return {};
      byte = byte * 16 + static_cast<int>(digit);
    }
    bytes.push_back(static_cast<unsigned char>(byte));
  }
  return bytes;
}

/// What is signed of a licence: all before its last line, `signature KEY VALUE`. Empty where no known key signed it.
std::string signed_part(const std::string& text, const std::vector<std::string>& keys) {
  const std::string word = "signature ";
  const std::size_t at = text.rfind("\n" + word);
  if (at == std::string::npos || text.back() != '\n') return "";
  const std::string line = text.substr(at + 1 + word.size(), text.size() - at - 2 - word.size());
  const std::string said = text.substr(0, at + 1), named = line.substr(0, line.find(' '));
  if (std::find(keys.begin(), keys.end(), named) == keys.end() || line.size() <= named.size()) return "";
  const auto key = bytes_of(named, crypto_sign_ed25519_PUBLICKEYBYTES);
  const auto value = bytes_of(line.substr(named.size() + 1), crypto_sign_ed25519_BYTES);
  if (key.empty() || value.empty()) return "";
  const auto* message = reinterpret_cast<const unsigned char*>(said.data());
  return crypto_sign_ed25519_verify_detached(value.data(), message, said.size(), key.data()) == 0 ? said : "";
}

/// A number of at most ten digits; -1 where it is none.
std::int64_t number_of(const std::string& text) {
  if (text.empty() || text.size() > 10 || text.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(text);
}

/// The first second of a day like 2026-11-21, in UTC; -1 where it is none.
std::int64_t day(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return -1;
  const std::int64_t year = number_of(text.substr(0, 4)), month = number_of(text.substr(5, 2)), mday = number_of(text.substr(8));
  if (year < 1970 || month < 1 || mday < 1) return -1;
  std::tm date{};
  date.tm_year = static_cast<int>(year - 1900);
  date.tm_mon = static_cast<int>(month - 1);
  date.tm_mday = static_cast<int>(mday);
  const std::int64_t seconds = timegm(&date);
  return day_of(seconds) == text ? seconds : -1;  // else a 31st of February became another day
}

struct Said {
  std::map<std::string, std::string> one;
  std::vector<std::string> features;
};

/// The lines of a licence; nothing where it has others than a licence has.
std::optional<Said> lines_of(const std::string& text) {
  const std::vector<std::string> known = {"app", "node", "device", "from", "until", "grace", "issued"};
  Said said;
  std::size_t begin = text.find('\n') + 1;
  if (text.substr(0, begin) != "edgepack-licence 1\n") return std::nullopt;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin), space = text.find(' ', begin);
    if (end == std::string::npos || space > end) return std::nullopt;
    const std::string word = text.substr(begin, space - begin), value = text.substr(space + 1, end - space - 1);
    begin = end + 1;
    if (word == "feature") {
      said.features.push_back(value);
    } else if (std::find(known.begin(), known.end(), word) == known.end() || !said.one.emplace(word, value).second) {
      return std::nullopt;
    }
  }
  if (said.one.size() != known.size()) return std::nullopt;
  return said;
}

Standing no(const char* state, const std::string& words) {
  Standing standing;
  standing.state = state;
  standing.words = words;
  return standing;
}

/// Of a licence that one of the keys signed.
Standing of_said(const Said& said, std::int64_t now) {
  const std::int64_t from = day(said.one.at("from")), until = day(said.one.at("until"));
  const std::int64_t grace = number_of(said.one.at("grace")), issued = number_of(said.one.at("issued"));
  if (from < 0 || until < from || grace < 0 || grace > most_days || issued < 0) {
    return no("damaged", "the licence's dates are none");
  }
  Standing standing;
  standing.node = said.one.at("node");
  standing.until = said.one.at("until");
  standing.issued = issued;
  standing.ends = until + day_s - 1;
  standing.stops = standing.ends + grace * day_s;
  const std::string its = "the licence of " + standing.node;
  const std::string last = day_of(standing.stops);
  if (now < from) {
    standing.state = "early";
    standing.words = its + " begins on " + said.one.at("from");
  } else if (now <= standing.ends) {
    standing.state = "valid";
    standing.words = its + " holds until " + standing.until;
  } else if (now <= standing.stops) {
    standing.state = "grace";
    standing.words = its + " ended on " + standing.until + "; without a new one the program stops after " + last;
  } else {
    standing.state = "ended";
    standing.words = its + " ended on " + standing.until + (grace > 0 ? ", its grace time on " + last : "");
  }
  if (standing.holds()) standing.features = said.features;
  return standing;
}

}  // namespace

std::string day_of(std::int64_t seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm date{};
  char text[16] = "";
  if (gmtime_r(&time, &date) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d", &date) == 0) return "";
  return text;
}

std::int64_t issued_at(const std::string& text, const Issuers& issuers) {
  const auto said = lines_of(signed_part(text, issuers.keys));
  return said ? std::max<std::int64_t>(number_of(said->one.at("issued")), 0) : 0;
}

Standing judge(const std::string& text, const Issuers& issuers,
               const std::vector<std::pair<std::string, std::string>>& box, std::int64_t now) {
  if (text.empty()) return no("missing", "there is no licence");
  if (text.compare(0, 17, "edgepack-licence ") != 0) return no("damaged", "the file is not a licence");
  const std::string part = signed_part(text, issuers.keys);
  if (part.empty()) {
    return no("forged", "the licence is not as one of the keys that this program knows signed it");
  }
  const auto said = lines_of(part);
  if (!said) return no("damaged", "the licence has lines that this program does not know: it is of a newer edgepack");
  const std::string& app = said->one.at("app");
  if (app != issuers.app) return no("app", "the licence is for " + app + ", and this is " + issuers.app);
  const std::string& device = said->one.at("device");  // SOURCE FINGERPRINT
  const std::string source = device.substr(0, device.find(' '));
  bool same = false, there = false;
  for (const auto& [its, fingerprint] : box) {
    there = there || its == source;
    same = same || its + " " + fingerprint == device;
  }
  if (!same) {
    return no("device", "the licence is for another box: " + said->one.at("node") + (there ? ", whose " + source + " is another" : ", which has a " + source + " that can be read"));
  }
  return of_said(*said, now);
}

}  // namespace edgepack::program
