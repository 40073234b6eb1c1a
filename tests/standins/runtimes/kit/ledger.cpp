#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "standin.hpp"

namespace standin {

namespace {
bool faulted = false;
}  // namespace

void fault(const std::string& what) {
  faulted = true;
  std::fprintf(stderr, "stand-in %s: %s\n", name, what.c_str());
  std::fflush(stderr);
  std::abort();
}

void complain(const std::string& what) { std::fprintf(stderr, "stand-in %s: %s\n", name, what.c_str()); }

bool lie(const char* name) {
  const char* told = std::getenv("EDGEPACK_STANDIN_LIE");
  return told != nullptr && std::strcmp(told, name) == 0;
}

std::recursive_mutex& lock() {
  static std::recursive_mutex* one = new std::recursive_mutex;  // outlives the check at unload
  return *one;
}

void Ledger::born(const void* handle, const std::string& kind, const std::string& free, std::size_t size) {
  known_[handle] = Entry{kind, free, size, true};
}

void Ledger::alive(const void* handle, const std::string& kind, const std::string& call) const {
  const auto found = known_.find(handle);
  if (found == known_.end()) fault(call + ": this was never a " + kind);
  if (!found->second.alive) fault(call + ": this " + found->second.kind + " was freed before (use after free)");
  if (found->second.kind != kind) fault(call + ": this is a " + found->second.kind + ", not a " + kind);
}

void Ledger::died(const void* handle, const std::string& kind, const std::string& call) {
  const auto found = known_.find(handle);
  if (found != known_.end() && !found->second.alive) fault(call + ": this " + kind + " was freed before (double free)");
  alive(handle, kind, call);
  found->second.alive = false;
}

bool Ledger::lives(const void* handle, const std::string& kind) const {
  const auto found = known_.find(handle);
  return found != known_.end() && found->second.alive && found->second.kind == kind;
}

bool Ledger::dead(const void* handle) const {
  const auto found = known_.find(handle);
  return found != known_.end() && !found->second.alive;
}

std::size_t Ledger::room(const void* at, const std::string& kind, const std::string& call) const {
  auto found = known_.upper_bound(at);
  while (found != known_.begin()) {
    --found;
    const auto* start = static_cast<const unsigned char*>(found->first);
    if (found->second.kind != kind) continue;
    if (static_cast<const unsigned char*>(at) >= start + std::max<std::size_t>(found->second.size, 1)) break;
    if (!found->second.alive) fault(call + ": this " + kind + " was freed before (use after free)");
    return found->second.size - static_cast<std::size_t>(static_cast<const unsigned char*>(at) - start);
  }
  fault(call + ": this is no " + kind);
}

std::size_t Ledger::living(const std::string& kind) const {
  return static_cast<std::size_t>(std::count_if(known_.begin(), known_.end(), [&](const auto& entry) {
    return entry.second.alive && entry.second.kind == kind;
  }));
}

void Ledger::closed() const {
  std::map<std::string, std::pair<int, std::string>> left;
  for (const auto& [handle, entry] : known_) {
    if (entry.alive) left[entry.kind] = {left[entry.kind].first + 1, entry.free};
  }
  if (left.empty()) return;
  std::string words = "at unload";
  for (const auto& [kind, about] : left) {
    words += "; " + std::to_string(about.first) + " " + kind + " without " + about.second;
  }
  fault(words);
}

Ledger& ledger() {
  static Ledger* one = new Ledger;  // outlives the check at unload
  return *one;
}

namespace {
constexpr std::uintptr_t kElsewhere = std::uintptr_t{1} << 61;
}
void* to_device(void* at) {
  // A leak sanitizer that sees no pointer to a block would end the process before the ledger says what was not freed.
  static auto* seen = new std::vector<void*>;
  seen->push_back(at);
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(at) | kElsewhere);
}
void* from_device(const void* at) { return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(at) & ~kElsewhere); }

bool of_device(const void* at) { return from_device(at) != at; }

void Pending::leaves_alone(const void* at, const std::string& call, const char* run, const char* wait) const {
  const auto told = [&](const char* does) {
    fault(call + ": " + run + " that " + does + " this memory was not waited for (" + wait + ")");
  };
  if (std::find(in.begin(), in.end(), at) != in.end()) told("reads");
  if (std::find(out.begin(), out.end(), at) != out.end()) told("writes");
}

void Pending::finish() const {
  std::vector<const void*> from;
  std::vector<void*> to;
  for (const void* at : in) from.push_back(from_device(at));
  for (const void* at : out) to.push_back(from_device(at));
  model->run(from, to);
}

void copy(void* to, const void* from, std::size_t size) {
  static const auto known = reinterpret_cast<void* (*)(void*, const void*, std::size_t)>(dlsym(RTLD_DEFAULT, "memcpy"));
  known(to, from, size);
}

void* new_handle() {
  static std::vector<std::unique_ptr<char>>* kept = new std::vector<std::unique_ptr<char>>;
  kept->emplace_back(new char);
  return kept->back().get();
}

namespace {
struct Unload {
  ~Unload() {
    if (!faulted) ledger().closed();
  }
} unload;
}  // namespace

}  // namespace standin
