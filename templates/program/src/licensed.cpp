#include "licensed.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace edgepack::program {

namespace {

std::mutex features_mutex;
bool features_known = false;
std::vector<std::string> features_open;

}  // namespace

void open_features(std::vector<std::string> features) {
  const std::lock_guard<std::mutex> lock(features_mutex);
  features_known = true;
  features_open = std::move(features);
}

}  // namespace edgepack::program

namespace edgepack {

bool licensed(const std::string& feature) {
  const std::lock_guard<std::mutex> lock(program::features_mutex);
  const auto& open = program::features_open;
  return !program::features_known || std::find(open.begin(), open.end(), feature) != open.end();
}

}  // namespace edgepack
