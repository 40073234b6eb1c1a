// The spool behind lines of words: see test_spool.py.
#include <iostream>
#include <memory>
#include <sstream>

#include "sinks/spool.cpp"

int main() {
  using edgepack::program::Spool;
  std::unique_ptr<Spool> spool;
  std::string question;
  while (std::getline(std::cin, question)) {
    std::istringstream words(question);
    std::string what, text;
    std::size_t count = 0, bytes = 0;
    words >> what;
    std::string answer = "null";
    if (what == "open") {  // as a new process does: nothing of the old one is kept
      bool drop = false;
      words >> text >> bytes >> drop;
      spool.reset();
      spool = std::make_unique<Spool>(text, bytes, drop);
    } else if (what == "put") {
      words >> text;
      answer = spool->put(text).empty() ? "true" : "false";
    } else if (what == "peek") {
      words >> count >> bytes;
      answer = "[";
      for (const std::string& line : spool->peek(count, bytes)) answer += (answer == "[" ? "\"" : ",\"") + line + "\"";
      answer += "]";
    } else if (what == "done") {
      words >> count;
      answer = spool->done(count).empty() ? "true" : "false";
    } else if (what == "count") {
      answer = "[" + std::to_string(spool->waiting()) + "," + std::to_string(spool->lost()) + "]";
    }
    std::cout << answer << std::endl;
  }
}
