#include "pipeline.hpp"

namespace edgepack::program {

std::string answer_line(const std::string& file, const Answer& answer, bool with_outputs) {
  Json line;
  line.open('{').key("file").string(file).fields(answer.record);
  if (with_outputs) {
    line.key("outputs").open('{');
    for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
      line.key(config.outputs[i].tensor).array(answer.outputs[i].data);
    }
    line.close('}');
  }
  return line.close('}').text();
}

}  // namespace edgepack::program
