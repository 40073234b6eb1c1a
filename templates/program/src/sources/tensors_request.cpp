#include "sources/tensors_request.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "shapes.hpp"

namespace edgepack::program {

namespace {

using nlohmann::json;

constexpr std::size_t longest_id = 200, most_named = 64;

/// A member of an object; nullptr where it is none, or has none of that name.
const json* member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text(const json* value) { return value != nullptr && value->is_string() ? value->get<std::string>() : ""; }

/// As it may stand in an answer.
std::string shown(const std::string& words) {
  std::string plain;
  for (const char c : words.substr(0, 64)) plain += c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
  return plain;
}

/// A time as it may be; 0 for any other, which means none.
double seconds(const json* value) {
  const double found = value != nullptr && value->is_number() ? value->get<double>() : 0;
  return std::isfinite(found) && found > 0 && found < 1e11 ? found : 0;
}

std::size_t head_length(const std::string& body, const std::string* said) {
  if (said == nullptr) throw Unfit("tensors are taken as bytes behind the JSON: Inference-Header-Content-Length is missing");
  const bool digits = !said->empty() && said->size() < 9 && std::all_of(said->begin(), said->end(), [](char c) { return c >= '0' && c <= '9'; });
  const std::size_t head = digits ? std::stoul(*said) : 0;
  if (!digits || head > body.size()) throw Unfit("Inference-Header-Content-Length is not the length of the JSON in the body");
  if (head > most_tensors_head) throw Unfit("the JSON in front of the tensors has more than 64 KiB");
  return head;
}

/// Whether that is the model's shape, the batch of 1 in front or left out.
bool same_shape(const json* said, const std::vector<int>& shape) {
  if (said == nullptr || !said->is_array()) return false;
  const std::size_t batch = said->size() == shape.size() + 1 ? 1 : 0;
  if (said->size() != shape.size() + batch) return false;
  for (std::size_t i = 0; i < said->size(); ++i) {
    const json& axis = (*said)[i];
    if (!axis.is_number_unsigned()) return false;
    const int wanted = i < batch ? 1 : shape[i - batch];
    if (axis.get<std::uint64_t>() != static_cast<std::uint64_t>(wanted)) return false;
  }
  return true;
}

void hold(const json& said, const TensorInfo& input, std::size_t bytes) {
  const std::string name = text(member(said, "name")), type = text(member(said, "datatype"));
  if (name != input.tensor) throw Unfit("there is no input '" + shown(name) + "': the model takes '" + input.tensor + "'");
  if (type != "FP32") throw Unfit("input '" + name + "' is " + shown(type) + "; the model takes FP32");
  if (!same_shape(member(said, "shape"), input.shape)) {
    throw Unfit("input '" + name + "' is of another shape: the model takes " + words(input.shape) + ", a batch of 1 in front or none");
  }
  const std::size_t wanted = elements(input.shape) * sizeof(float);
  const json* parameters = member(said, "parameters");
  const json* size = parameters == nullptr ? nullptr : member(*parameters, "binary_data_size");
  if (size == nullptr || !size->is_number_unsigned()) throw Unfit("input '" + name + "' has no binary_data_size");
  if (size->get<std::uint64_t>() != wanted || bytes != wanted) {
    throw Unfit("input '" + name + "' has " + std::to_string(bytes) + " bytes; the model takes " + std::to_string(wanted));
  }
}

/// Six numbers, as the sink `tensors` writes them. A place that is told wrong is one that nobody knows.
blocks::Geometry geometry(const std::string& said) {
  blocks::Geometry found;
  if (said.empty()) return found;
  int rest = 0;
  const bool read = said.size() < 200 && std::sscanf(said.c_str(), "%5d %5d %lf %lf %lf %lf%n", &found.height, &found.width, &found.scale_y,
                                                     &found.scale_x, &found.shift_y, &found.shift_x, &rest) == 6 &&
                    rest == static_cast<int>(said.size());
  const std::array<double, 4> numbers{found.scale_y, found.scale_x, found.shift_y, found.shift_x};
  const bool sane = read && std::all_of(numbers.begin(), numbers.end(), [](double n) { return std::isfinite(n) && std::abs(n) < 1e6; });
  const bool sides = found.height >= 0 && found.height <= 65535 && found.width >= 0 && found.width <= 65535;
  if (!sane || !sides || found.scale_y <= 0 || found.scale_x <= 0) throw Unfit("the parameter geometry is not six numbers: height, width, scales, shifts");
  return found;
}

}  // namespace

TensorsRequest read_tensors(const std::string& body, const std::string* head, const TensorInfo& input) {
  const std::size_t length = head_length(body, head);
  const json said = json::parse(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(length), nullptr, false);
  const json* inputs = member(said, "inputs");
  if (inputs == nullptr || !inputs->is_array()) throw Unfit("the request is not JSON with a list of inputs");
  if (inputs->size() != 1) throw Unfit(std::to_string(std::min(inputs->size(), most_named)) + " inputs came; the model takes one, '" + input.tensor + "'");
  hold(inputs->front(), input, body.size() - length);
  TensorsRequest request;
  request.id = text(member(said, "id")).substr(0, longest_id);
  if (const json* parameters = member(said, "parameters")) {
    request.when = {seconds(member(*parameters, "seconds")), seconds(member(*parameters, "utc"))};
    request.geometry = geometry(text(member(*parameters, "geometry")));
  }
  return request;
}

}  // namespace edgepack::program
