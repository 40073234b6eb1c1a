#include "sinks/smtp_peer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <utility>

#include "commands.hpp"
#include "sinks/mail_text.hpp"

namespace edgepack::program {

namespace {

constexpr std::size_t longest_reply_line = 4096, most_reply_lines = 100;  // RFC 5321 says 512, some say more

struct Reply {
  int code = 0;
  std::vector<std::string> lines;  // without the code
  std::string words;               // the last line, as it may stand in a log
};

/// What is between CRs, with CR LF, and with a second dot where a line begins with one (4.5.2); and the end.
std::string with_dots(const std::string& line) {
  std::string text;
  text.reserve(line.size() + line.size() / 32);
  bool begins = true;
  for (const char c : line) {
    if (begins && c == '.') text += '.';
    text += c;
    if (c == '\r') text += '\n';
    begins = c == '\r';
  }
  return text + ".\r\n";
}

class SmtpPeer : public Peer {
 public:
  SmtpPeer(SmtpSays says, std::shared_ptr<std::atomic<std::int64_t>> refused) : says_(std::move(says)), refused_(std::move(refused)) {}

  /// A connection a mail: there are few, and a relay would close it in between.
  void deliver(const std::vector<std::string>& lines, const std::atomic<bool>& end) override {
    const Patience patience(std::chrono::milliseconds(static_cast<long>(says_.timeout_s * 1000)), end);
    for (const std::string& line : lines) {
      socket_ = Socket::to(says_.host, says_.port, patience);
      wanted(hear(patience), {220});
      greet(patience);
      envelope(patience);
      socket_.send(with_dots(line), patience);
      const Reply reply = hear(patience);
      if (reply.code >= 500) {
        // It would be refused each time, and all later ones would wait behind it.
        ++*refused_;
        complain("mail to " + says_.host + ": given up, the relay answers " + reply.words);
      } else {
        wanted(reply, {250});
      }
      socket_.send("QUIT\r\n", patience);  // nobody waits for a good-bye
      leave();
    }
  }

  void leave() override { socket_ = Socket(); }
  std::size_t most_lines() const override { return 1; }

 private:
  Reply hear(const Patience& patience) {
    Reply reply;
    while (reply.lines.size() < most_reply_lines) {
      const std::string line = socket_.line(longest_reply_line, patience);
      const bool digits = line.size() >= 3 && line.substr(0, 3).find_first_not_of("0123456789") == std::string::npos;
      const int code = digits ? std::atoi(line.substr(0, 3).c_str()) : 0;
      const char sign = line.size() > 3 ? line[3] : ' ';
      const bool same = reply.code == 0 || reply.code == code;
      if (code < 200 || code > 599 || (sign != ' ' && sign != '-') || !same) {
        throw PeerError("not a mail server: it says " + printable(line));
      }
      reply.code = code;
      reply.lines.push_back(line.substr(std::min<std::size_t>(4, line.size())));
      reply.words = printable(line);
      if (sign == ' ') return reply;
    }
    throw PeerError("not a mail server: a reply of more than 100 lines");
  }

  static void wanted(const Reply& reply, const std::set<int>& codes) {
    if (codes.count(reply.code) == 0) throw PeerError("it answers " + reply.words);
  }

  Reply ask(const std::string& words, const Patience& patience) {
    socket_.send(words + "\r\n", patience);
    return hear(patience);
  }

  void greet(const Patience& patience) {
    const Reply reply = ask("EHLO " + says_.here, patience);
    if (reply.code >= 500 && says_.password_path.empty()) {
      wanted(ask("HELO " + says_.here, patience), {250});
      return;
    }
    wanted(reply, {250});
    if (!says_.password_path.empty()) log_in(reply, patience);
  }

  /// RFC 4954. What it answers is not told: it may repeat what it was told.
  void log_in(const Reply& hello, const Patience& patience) {
    bool plain = false, login = false;
    for (std::string line : hello.lines) {
      for (char& c : line) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      if (line.compare(0, 5, "AUTH ") != 0 && line.compare(0, 5, "AUTH=") != 0) continue;
      const std::string ways = " " + line.substr(5) + " ";
      plain = plain || ways.find(" PLAIN ") != std::string::npos;
      login = login || ways.find(" LOGIN ") != std::string::npos;
    }
    const std::string password = secret(says_.password_path);
    Reply reply;
    if (plain) {
      reply = ask("AUTH PLAIN " + base64(std::string(1, '\0') + says_.user + std::string(1, '\0') + password), patience);
    } else if (login) {
      reply = ask("AUTH LOGIN", patience);
      if (reply.code == 334) reply = ask(base64(says_.user), patience);
      if (reply.code == 334) reply = ask(base64(password), patience);
    } else {
      throw PeerError("it offers no login by PLAIN or LOGIN");
    }
    if (reply.code != 235) throw PeerError("it refuses the login with " + std::to_string(reply.code));
  }

  void envelope(const Patience& patience) {
    wanted(ask("MAIL FROM:<" + says_.sender + ">", patience), {250});
    std::string no;
    std::size_t taken = 0;
    for (const std::string& one : says_.to) {
      const Reply reply = ask("RCPT TO:<" + one + ">", patience);
      if (reply.code == 250 || reply.code == 251) {
        ++taken;
        continue;
      }
      no = one + ": it answers " + reply.words;
      if (reply.code < 500) throw PeerError(no);  // later it may take all of them
      if (told_.insert(no).second) complain("mail to " + no);
    }
    if (taken == 0) throw PeerError(no);
    wanted(ask("DATA", patience), {354});
  }

  const SmtpSays says_;
  const std::shared_ptr<std::atomic<std::int64_t>> refused_;
  std::set<std::string> told_;
  Socket socket_;
};

}  // namespace

std::string one_line(const std::string& mail) {
  std::string line;
  line.reserve(mail.size());
  for (const char c : mail) {
    if (c != '\n') line += c;
  }
  return line;
}

std::unique_ptr<Peer> smtp_peer(const SmtpSays& says, std::shared_ptr<std::atomic<std::int64_t>> refused) {
  return std::make_unique<SmtpPeer>(says, std::move(refused));
}

}  // namespace edgepack::program
