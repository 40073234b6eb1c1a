// What a runtime asks for a model's file: an app whose model is encrypted gets its bytes in memory, another one nothing,
// and reads the file itself.
//
//   const HiddenMemory plain = unsealed(file);
//   if (plain.there()) … from memory … else … by its path
#pragma once

#include <cstddef>
#include <string>

#include "commands.hpp"
#include "model.hpp"
#ifdef EDGEPACK_ENCRYPTED
#include "sealed_file.hpp"
#endif

namespace edgepack::program {

#ifdef EDGEPACK_ENCRYPTED

/// No key on this box opens the model, or the encrypted file is not as it was written.
struct KeyError : ModelError {
  using ModelError::ModelError;
  int exit_code() const override { return Exit::key; }
};

constexpr bool encrypted = true;

/// Before a model is loaded: the data folder, where the keys lie. plain: files that are not encrypted are taken too, as
/// where the build proves the program before the model is encrypted.
void look_for_keys_in(const std::string& data, bool plain);

/// The file's bytes, with a zero behind them, where the app's model is encrypted. Throws KeyError, ModelError.
HiddenMemory unsealed(const std::string& file);

#else  // edgepack.yaml has no `encryption`

constexpr bool encrypted = false;

inline void look_for_keys_in(const std::string&, bool) {}

/// What is never there.
struct HiddenMemory {
  unsigned char* data() const { return nullptr; }
  std::size_t size() const { return 0; }
  bool there() const { return false; }
};

inline HiddenMemory unsealed(const std::string&) { return {}; }

#endif

}  // namespace edgepack::program
