// [F] alibaba/MNN, include/MNN/MNNForwardType.h: who computes, and how
#pragma once

#include <stddef.h>

// [F] MNNForwardType: of a processor's alone here
typedef enum {
  MNN_FORWARD_CPU = 0,
  MNN_FORWARD_AUTO = 4,
} MNNForwardType;

namespace MNN {
// [F] BackendConfig: four words, in this order
struct BackendConfig {
  enum MemoryMode { Memory_Normal = 0, Memory_High, Memory_Low };
  MemoryMode memory = Memory_Normal;
  enum PowerMode { Power_Normal = 0, Power_High, Power_Low };
  PowerMode power = Power_Normal;
  enum PrecisionMode { Precision_Normal = 0, Precision_High, Precision_Low };
  PrecisionMode precision = Precision_Normal;
  union {
    void* sharedContext = nullptr;
    size_t flags;
  };
};
}  // namespace MNN
