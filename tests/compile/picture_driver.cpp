// Pictures written and drawn into, behind lines of words: see test_decode.py.
#include <fstream>
#include <iostream>
#include <sstream>

#include "sinks/draw.cpp"
#include "sinks/picture_file.cpp"

int main() {
  using namespace edgepack;
  using namespace edgepack::program;
  std::string question;
  while (std::getline(std::cin, question)) {
    std::istringstream words(question);
    std::string what, from, to, format;
    words >> what >> from >> to >> format;
    std::string answer = "true";
    try {
      Pixels pixels = pixels_of(read_image(from, false));
      if (what == "draw") {
        pixels = coloured(std::move(pixels));
        double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
        int thick = 0, size = 0;
        std::string text;
        words >> x0 >> y0 >> x1 >> y1 >> thick >> size;
        std::getline(words, text);
        draw_box(pixels, x0, y0, x1, y1, thick, {1, 2, 3});
        if (size > 0) draw_words(pixels, x0, y0, text, size, {4, 5, 6});
      }
      std::ofstream(to + picture_ending(pixels, format), std::ios::binary) << picture_file(pixels, format);
    } catch (const std::exception& error) {
      answer = "false";
    }
    std::cout << answer << std::endl;
  }
}
