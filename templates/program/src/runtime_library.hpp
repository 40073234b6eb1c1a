// A runtime's shared library, loaded when the model is: what is missing, damaged or too new for the box is then a
// sentence of the program's own and not the loader's.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

#include "model.hpp"

namespace edgepack::program {

/// Load libraries of a release that another one asks for by name and does not look for beside itself: what is loaded
/// under a name is what that name means. One that is missing is said by whoever asks for it.
inline const std::string& with_companions(const std::string& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) dlopen((folder + "/../lib/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
  return folder;
}

class RuntimeLibrary {
 public:
  /// The first of `names` that loads: a path, or a name that the box's loader looks for. `runtime` is said in
  /// errors. It stays loaded: its threads may outlive the model. Throws ModelError.
  RuntimeLibrary(const std::string& runtime, const std::vector<std::string>& names) : runtime_(runtime) {
    std::string why;
    for (const std::string& name : names) {
      handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_ != nullptr) {
        name_ = name;
        return;
      }
      const char* said = dlerror();
      why += (why.empty() ? "" : "; ") + (said != nullptr ? std::string(said) : name);
    }
    throw ModelError(runtime_ + " cannot be loaded: " + why);
  }

  /// A function, of the type that its header declares: `function<decltype(rknn_init)>("rknn_init")`. Throws
  /// ModelError where the library has none of that name.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(address(name));
  }

 private:
  void* address(const char* name) const {
    void* found = dlsym(handle_, name);
    if (found == nullptr) throw ModelError(name_ + ": has no " + name + ", so it is not " + runtime_);
    return found;
  }

  std::string runtime_, name_;
  void* handle_ = nullptr;
};

}  // namespace edgepack::program
