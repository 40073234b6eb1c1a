// What tells this box from others. The script on the box reads the same places in the same way
// (edgepack/box/sh/device.sh), for whoever issues a licence; a test holds the two to each other.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace edgepack::program {

/// Each source that this box has, the best first, with its fingerprint: sha256 of its value and the app's name, in
/// hexadecimal. A source may be there several times, as `mac` is. root: "" on a box.
std::vector<std::pair<std::string, std::string>> fingerprints(const std::string& app, const std::string& root);

}  // namespace edgepack::program
