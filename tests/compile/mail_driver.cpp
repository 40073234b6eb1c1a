// A mail's text behind lines of words, each in hexadecimal after an "x": see test_mail_text.py.
#include <iostream>
#include <sstream>

#include "sinks/mail_text.cpp"

namespace {

std::string word(std::istringstream& words) {
  std::string hex, text;
  words >> hex;
  for (std::size_t i = 1; i + 1 < hex.size(); i += 2) text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return text;
}

}  // namespace

int main() {
  using namespace edgepack::program;
  std::string question;
  while (std::getline(std::cin, question)) {
    std::istringstream words(question);
    const std::string pattern = word(words), file = word(words), field = word(words), picture = word(words);
    edgepack::Record record;
    record.set("field", field);
    record.set("number", 7);
    Letter letter;
    letter.sender = "box@site.example";
    letter.to = {"a@site.example", "b@site.example"};
    letter.subject = filled(pattern, "box-07", file, record);
    letter.text = field;
    letter.utc = 1795300200;
    letter.host = "box-07";
    letter.id = "0123";
    letter.picture = picture;
    letter.picture_name = "picture.ppm";
    std::cout << Json().string(mail_of(letter)).text() << std::endl;
  }
}
