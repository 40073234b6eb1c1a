#include "sinks/mail_sink.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <random>
#include <utility>
#include <variant>

#include "json.hpp"
#include "sinks/annotate.hpp"
#include "sinks/mail_text.hpp"
#include "sinks/picture_file.hpp"
#include "sinks/smtp_peer.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t largest_picture = 7U << 20U;  // a third more as base64; many relays take 10 MB

/// The box's name as SMTP and a Message-ID may have it: a stranger may have named the box.
std::string own_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  std::string made;
  for (const char c : std::string(name)) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (fits) made += c;
  }
  return made.empty() || made[0] == '.' || made[0] == '-' ? "localhost" : made;
}

std::string random_id() {
  std::random_device dice;
  std::string made;
  for (int i = 0; i < 4; ++i) {
    char part[16];
    std::snprintf(part, sizeof part, "%08x", static_cast<unsigned>(dice()));
    made += part;
  }
  return made;
}

class MailSink : public Sink {
 public:
  MailSink(const std::string& data, MailSinkSays says)
      : says_(std::move(says)),
        here_(own_name()),
        refused_(std::make_shared<std::atomic<std::int64_t>>(0)),
        spooled_(data, says_.spool, "mail to " + says_.host, smtp_peer(smtp(data), refused_)) {}

  std::string put(const Answered& answer) override {
    const auto now = Clock::now();
    const bool alarmed = is_alarmed(answer.record);
    const bool rises = alarmed && !alarmed_;
    // What was held back is told as soon as it may be: an alarm that lasts does not rise again.
    const bool may = now >= next_;
    if (may && (rises || held_ > 0)) {
      Answered mail;
      mail.line = one_line(written(answer, alarmed));
      const std::string problem = spooled_.put(mail);
      if (!problem.empty()) return problem;
      next_ = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(says_.every_s));
      held_ = 0;
    } else if (rises) {
      ++held_;
    }
    alarmed_ = alarmed;
    return "";
  }

  void flush() override { spooled_.flush(); }
  bool wants_picture() const override { return !says_.picture.empty(); }
  std::string about() const override { return spooled_.about(); }

  std::optional<Sent> state() const override {
    std::optional<Sent> sent = spooled_.state();
    const std::int64_t refused = *refused_;
    sent->lost += refused;
    sent->sent = std::max<std::int64_t>(0, sent->sent - refused);  // it was taken out of the spool like the others
    return sent;
  }

 private:
  using Clock = std::chrono::steady_clock;

  SmtpSays smtp(const std::string& data) const {
    const std::string& file = says_.password_file;
    return {says_.host, says_.port, here_,      says_.sender,
            says_.to,   says_.user, file.empty() || file[0] == '/' ? file : data + "/" + file, says_.timeout_s};
  }

  bool is_alarmed(const Record& record) const {
    const Record::Value* value = record.find(says_.alarm);
    const bool* is = value == nullptr ? nullptr : std::get_if<bool>(value);
    return is != nullptr && *is;
  }

  std::string written(const Answered& answer, bool alarmed) const {
    Letter letter;
    letter.sender = says_.sender;
    letter.to = says_.to;
    letter.subject = filled(says_.subject, here_, answer.name, answer.record);
    letter.utc = answer.record.when().utc;
    letter.host = here_;
    letter.id = random_id();
    letter.text = "box: " + here_ + "\nfile: " + Json().string(answer.name).text() + "\n";
    for (const auto& [name, value] : answer.record.fields()) letter.text += name + ": " + Json().value(value).text() + "\n";
    if (held_ > 0) {
      letter.text += "\nMore alarms since the mail before this one: " + std::to_string(held_) + "\n";
    }
    if (!alarmed) letter.text += "\nIn this picture it is over.\n";
    if (!says_.picture.empty()) attach(answer, letter);
    return mail_of(letter);
  }

  /// An alarm goes out without its picture rather than not at all.
  void attach(const Answered& answer, Letter& letter) const {
    try {
      const Pixels drawn = annotated(answer, says_.show);
      letter.picture = picture_file(drawn, says_.picture);
      letter.picture_name = "picture" + picture_ending(drawn, says_.picture);
      // Twice that must fit between what waits.
      const std::size_t most = static_cast<std::size_t>(
          std::min<std::uint64_t>(largest_picture, (static_cast<std::uint64_t>(says_.spool.most_mb) << 20U) / 4));
      if (letter.picture.size() <= most) return;
      letter.text += "\nThe picture is too large for a mail: " + std::to_string(letter.picture.size() >> 10U) + " kB.\n";
    } catch (const std::exception& error) {
      letter.text += std::string("\nThere is no picture: ") + error.what() + "\n";
    }
    letter.picture.clear();
  }

  const MailSinkSays says_;
  const std::string here_;
  const std::shared_ptr<std::atomic<std::int64_t>> refused_;
  SpooledSink spooled_;
  Clock::time_point next_{};
  std::int64_t held_ = 0;
  bool alarmed_ = false;
};

}  // namespace

std::unique_ptr<Sink> mail_sink(const std::string& data, const MailSinkSays& says) {
  return std::make_unique<MailSink>(data, says);
}

}  // namespace edgepack::program
