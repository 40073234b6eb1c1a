// [T] alibaba/MNN, include/MNN/Tensor.hpp: a tensor of a session, or of the caller's
#pragma once

#include <MNN/HalideRuntime.h>

#include <vector>

namespace MNN {

class Tensor {
 public:
  struct InsideDescribe;
  // [T] DimensionType: the order of axes: TENSORFLOW {N, H, W, C}, CAFFE {N, C, H, W}, CAFFE_C4 in blocks of four channels
  enum DimensionType { TENSORFLOW, CAFFE, CAFFE_C4 };

  // [T] of the shape and type of another; allocMemory: with memory of its own. Nothing is copied
  Tensor(const Tensor* tensor, DimensionType type = CAFFE, bool allocMemory = true);
  ~Tensor();
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  // [T] create: data NULL: with memory of its own; else the caller's, which stays his
  static Tensor* create(const std::vector<int>& shape, halide_type_t type, void* data = nullptr, DimensionType dimType = TENSORFLOW);
  template <typename T>
  static Tensor* create(const std::vector<int>& shape, void* data = nullptr, DimensionType dimType = TENSORFLOW) {
    return create(shape, halide_type_of<T>(), data, dimType);
  }
  // [T] destroy: of what create gave (2.0)
  static void destroy(Tensor* tensor);
  // [T] between a session's tensor (this) and one of the host, orders of axes turned; false: this is none of a session's
  bool copyFromHostTensor(const Tensor* hostTensor);
  bool copyToHostTensor(Tensor* hostTensor) const;

  const halide_buffer_t& buffer() const { return mBuffer; }
  halide_buffer_t& buffer() { return mBuffer; }
  DimensionType getDimensionType() const;
  halide_type_t getType() const { return mBuffer.type; }
  template <typename T>
  T* host() const {
    return reinterpret_cast<T*>(mBuffer.host);
  }
  int dimensions() const { return mBuffer.dimensions; }
  // [T] shape: in the order of its DimensionType; size: bytes, with those that fill up blocks of channels
  std::vector<int> shape() const;
  int size() const;
  int elementSize() const { return size() / mBuffer.type.bytes(); }
  int length(int index) const { return mBuffer.dim[index].extent; }
  int stride(int index) const { return mBuffer.dim[index].stride; }

 private:
  halide_buffer_t mBuffer;
  InsideDescribe* mDescribe;
};

}  // namespace MNN
