// What the stand-ins for vendors' run-time libraries share: a model that really computes (through ncnn), numbers in
// the types and orders that vendors keep them in, a ledger of what is alive, and one way to end on a wrong use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace standin {

/// The vendor's, for what is said: each stand-in defines it (STANDIN below).
extern const char* const name;
#define STANDIN(which) \
  namespace standin {  \
  const char* const name = which; \
  }

/// Says what was done wrong and aborts: for what the reference calls undefined, or forbids without an error code.
[[noreturn]] void fault(const std::string& what);

/// A line on stderr, as vendors' libraries write one beside an error code.
void complain(const std::string& what);

/// Whether the test asked for that lie: $EDGEPACK_STANDIN_LIE, see README.md.
bool lie(const char* name);

/// One lock for a whole library: what is wrong must be told the same way each time.
std::recursive_mutex& lock();

enum class Type { f32, f16, bf16, i8, u8, i16, u16, i32, u32, i64, boolean };
std::size_t bytes_of(Type type);

/// How a tensor lies in memory. Shapes are always said as {N, C, H, W}.
/// nc1hwc2: Rockchip's, channels in blocks, the last of them filled up.
enum class Layout { nchw, nhwc, nc1hwc2 };

struct Tensor {
  std::string name;  // the model's own
  std::string blob;  // ncnn's
  Type type = Type::f32;
  Layout layout = Layout::nchw;
  std::vector<int> shape;
  float scale = 0;  // 0: not quantised. real = (kept - zero) * scale
  int zero = 0;
  std::size_t count() const;
  std::size_t size() const { return count() * bytes_of(type); }
  bool quantised() const { return scale != 0; }
  /// The axes in the order in which they lie in memory.
  std::vector<int> laid() const;
};

/// Kept numbers → real ones, in the order in which they lie. scale 0: as they are.
std::vector<float> real(Type type, const void* from, std::size_t count, float scale = 0, int zero = 0);
/// Real numbers → kept ones: rounded to even, and clamped to the type.
void keep(const std::vector<float>& values, Type type, void* to, float scale = 0, int zero = 0);
/// Between {N, H, W, C} and {N, C, H, W}; shape is {N, C, H, W}. Not four axes: as they are.
std::vector<float> to_nchw(const std::vector<float>& values, const std::vector<int>& shape);
std::vector<float> to_nhwc(const std::vector<float>& values, const std::vector<int>& shape);

/// A model file of this stand-in: see README.md for its form.
class Model {
 public:
  /// nullptr, and why, where the bytes are not the vendor's (magic) or not whole.
  static std::shared_ptr<Model> read(const void* bytes, std::size_t size, const std::string& magic, std::string* why);
  ~Model();
  std::string name;
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  /// Real numbers in the order {N, C, H, W}, for each input and each output. With the lie `stale`: those of the run
  /// before (zeros for the first).
  std::vector<std::vector<float>> compute(const std::vector<std::vector<float>>& given);
  /// compute, from and to the memory of tensors as they are kept. With `nothing-written` nothing is written.
  void run(const std::vector<const void*>& in, const std::vector<void*>& out);

 private:
  Model();
  struct Net;
  std::unique_ptr<Net> net_;
  std::vector<std::vector<float>> before_;
};

/// A whole file; empty, and false, where it cannot be read.
bool read_file(const std::string& path, std::vector<unsigned char>* bytes);

/// What is alive, and what was. A handle that was never given out, or is freed twice, or was freed before it is used,
/// is a fault; so is what still lives when the library is unloaded.
class Ledger {
 public:
  /// kind: `rknn_context`; free: the function that ends its life.
  void born(const void* handle, const std::string& kind, const std::string& free, std::size_t size = 0);
  void died(const void* handle, const std::string& kind, const std::string& call);
  /// Faults where it does not live, or is of another kind.
  void alive(const void* handle, const std::string& kind, const std::string& call) const;
  bool lives(const void* handle, const std::string& kind) const;
  bool dead(const void* handle) const;
  /// The bytes from ``at`` to the end of the living block of that kind in which it lies; faults where there is none.
  std::size_t room(const void* at, const std::string& kind, const std::string& call) const;
  /// Faults where something still lives; ``only``: of what belongs to that owner's kind.
  void closed() const;
  std::size_t living(const std::string& kind) const;

 private:
  struct Entry {
    std::string kind, free;
    std::size_t size = 0;
    bool alive = true;
  };
  std::map<const void*, Entry> known_;
};

Ledger& ledger();

/// Addresses of a device: no processor follows them (they are not canonical), so that who does is told at once. Sums with
/// offsets hold, as with real ones.
void* to_device(void* at);
void* from_device(const void* at);
bool of_device(const void* at);

/// A run that was asked for and has not been waited for: nothing is in its outputs yet, and nobody may touch its memory.
struct Pending {
  std::shared_ptr<Model> model;
  std::vector<const void*> in;
  std::vector<void*> out;
  /// Faults where it reads or writes what is at ``at``. run: "an execution"; wait: the call that waits for it.
  void leaves_alone(const void* at, const std::string& call, const char* run, const char* wait) const;
  /// Computes; memory of a device is followed.
  void finish() const;
};

/// memcpy as the process has it: that of a sanitizer of the caller's, which knows what of his memory is too short or freed.
void copy(void* to, const void* from, std::size_t size);

/// Handles are never given out twice: a freed one stays known as freed.
void* new_handle();

}  // namespace standin
