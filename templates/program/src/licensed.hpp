// What `edgepack::licensed` answers.
#pragma once

#include <string>
#include <vector>

#include "edgepack/licence.h"

namespace edgepack::program {

/// From now on these features, and no other. Until the first call: each.
void open_features(std::vector<std::string> features);

}  // namespace edgepack::program
