// Whose licences this program takes. The values are in licence_keys.cpp, written from edgepack.yaml.
#pragma once

#include <string>
#include <vector>

namespace edgepack::program {

struct LicenceKeys {
  std::vector<std::string> keys;  // Ed25519, 64 hexadecimal digits each
  bool required;                  // without a licence that holds the app does not run
};

extern const LicenceKeys licence_keys;

}  // namespace edgepack::program
