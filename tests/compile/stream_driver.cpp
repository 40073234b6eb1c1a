// A source over another program, behind lines of words: see test_gstreamer_source.py.
#include <iostream>
#include <sstream>

#include "commands.hpp"
#include "sources/child.cpp"
#include "sources/child_source.cpp"
#include "sources/gstreamer_source.cpp"

void edgepack::program::complain(const std::string& line) { std::cerr << line << std::endl; }

int main() {
  using namespace edgepack;
  using namespace edgepack::program;
  std::unique_ptr<Source> source;
  std::string question;
  while (std::getline(std::cin, question)) {
    std::istringstream words(question);
    std::string what, data;
    words >> what;
    Json json;
    try {
      if (what == "open") {
        GstreamerSourceSays says{{"", "", "", 0, false}, "", "", "", 0, 0, 0};
        words >> data >> says.stream.program >> says.stream.input_file >> says.stream.silent_s >> says.stream.again >> says.transport;
        words >> says.decoder >> says.converter >> says.width >> says.height >> says.fps;
        if (says.decoder == "-") says.decoder.clear();
        if (says.converter == "-") says.converter.clear();
        source.reset();
        source = gstreamer_source(data, says);
        json.boolean(true);
      } else {
        std::optional<Picture> picture = source->next(std::chrono::milliseconds(100));
        if (picture) {
          const Tensor pixels = picture->pixels();
          json.open('{').key("name").string(picture->name).key("pixels").array(pixels.data).close('}');
        } else {
          json.open('{').close('}');
        }
      }
      std::cout << json.text() << std::endl;
    } catch (const std::exception& error) {
      std::cout << Json().open('{').key("error").string(error.what()).close('}').text() << std::endl;
    }
  }
}
