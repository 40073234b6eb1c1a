// edgepack.yaml has no `licence`: the app runs for whoever has it.
#include "licence.hpp"

namespace edgepack::program {

class Licence::Kept {};

Licence::Licence(const std::string&) {}

Licence::~Licence() = default;

bool Licence::wanted() { return false; }

bool Licence::runs() const { return true; }

Licensed Licence::told() const { return {}; }

void Licence::watch(std::function<void(const std::string&)>, std::function<void()>) {}

}  // namespace edgepack::program
