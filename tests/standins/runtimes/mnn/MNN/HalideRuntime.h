// [H] alibaba/MNN, include/MNN/HalideRuntime.h: how a tensor's memory is described; the types are Halide's
#pragma once

#include <stdint.h>

// [H] halide_type_code_t
typedef enum halide_type_code_t {
  halide_type_int = 0,
  halide_type_uint = 1,
  halide_type_float = 2,
  halide_type_handle = 3,
  halide_type_bfloat = 4,
} halide_type_code_t;

// [H] halide_type_t: code, bits of a number, numbers of a vector
struct halide_type_t {
  halide_type_code_t code;
  uint8_t bits;
  uint16_t lanes;
  halide_type_t() : code(halide_type_int), bits(0), lanes(0) {}
  halide_type_t(halide_type_code_t of, uint8_t wide, uint16_t many = 1) : code(of), bits(wide), lanes(many) {}
  bool operator==(const halide_type_t& other) const { return code == other.code && bits == other.bits && lanes == other.lanes; }
  bool operator!=(const halide_type_t& other) const { return !(*this == other); }
  int bytes() const { return (bits + 7) / 8; }
};

// [H] halide_dimension_t, halide_buffer_t: the order of their fields
typedef struct halide_dimension_t {
  int32_t min, extent, stride;
  uint32_t flags;
} halide_dimension_t;

struct halide_device_interface_t;
typedef struct halide_buffer_t {
  uint64_t device;
  const struct halide_device_interface_t* device_interface;
  uint8_t* host;
  uint64_t flags;
  struct halide_type_t type;
  int32_t dimensions;
  halide_dimension_t* dim;
  void* padding;
} halide_buffer_t;

// [H] halide_type_of<T>
template <typename T>
halide_type_t halide_type_of();
template <>
inline halide_type_t halide_type_of<float>() { return {halide_type_float, 32}; }
template <>
inline halide_type_t halide_type_of<uint8_t>() { return {halide_type_uint, 8}; }
template <>
inline halide_type_t halide_type_of<int8_t>() { return {halide_type_int, 8}; }
template <>
inline halide_type_t halide_type_of<int32_t>() { return {halide_type_int, 32}; }
template <>
inline halide_type_t halide_type_of<int64_t>() { return {halide_type_int, 64}; }
