#include "../client.hpp"

#include <cviruntime.h>

#include <algorithm>

namespace {

/// Quantised as the model keeps it, by the input's own scale, which multiplies.
std::vector<std::int8_t> kept(CVI_TENSOR* input) {
  std::vector<std::int8_t> made;
  for (const std::uint8_t pixel : pixels) {
    const float value = std::nearbyint(static_cast<float>(pixel) * CVI_NN_TensorQuantScale(input)) +
                        static_cast<float>(CVI_NN_TensorQuantZeroPoint(input));
    made.push_back(static_cast<std::int8_t>(std::min(std::max(value, -128.0F), 127.0F)));
  }
  return made;
}

void shown(CVI_TENSOR* outputs) {
  show(static_cast<std::int8_t*>(CVI_NN_TensorPtr(&outputs[0])), kLogits, CVI_NN_TensorQuantScale(&outputs[0]),
       CVI_NN_TensorQuantZeroPoint(&outputs[0]));
  std::vector<float> heat;
  for (std::size_t i = 0; i < kHeat; ++i) {  // bfloat16: the upper half of a float
    const std::uint32_t bits = std::uint32_t{static_cast<std::uint16_t*>(CVI_NN_TensorPtr(&outputs[1]))[i]} << 16U;
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    heat.push_back(value);
  }
  show(heat.data(), heat.size());
}

void run(CVI_MODEL_HANDLE model, CVI_TENSOR* inputs, CVI_TENSOR* outputs) {
  if (fault("one output")) ok(CVI_NN_Forward(model, inputs, 1, outputs, 1), "CVI_NN_Forward");
  if (fault("another array")) {
    CVI_TENSOR copy = inputs[0];
    ok(CVI_NN_Forward(model, &copy, 1, outputs, 2), "CVI_NN_Forward");
  }
  if (fault("another type")) inputs[0].fmt = CVI_FMT_FP32;
  if (the_fault != "asynchronous" && the_fault.rfind("task", 0) != 0) {
    ok(CVI_NN_Forward(model, inputs, 1, outputs, 2), "CVI_NN_Forward");
    return;
  }
  void* task = nullptr;
  ok(CVI_NN_ForwardAsync(model, inputs, 1, outputs, 2, &task), "CVI_NN_ForwardAsync");
  if (fault("task run twice")) ok(CVI_NN_Forward(model, inputs, 1, outputs, 2), "CVI_NN_Forward");
  if (fault("task read too early")) CVI_NN_TensorPtr(&outputs[0]);
  if (fault("task left alone")) CVI_NN_CleanupModel(model);
  ok(CVI_NN_ForwardWait(model, task), "CVI_NN_ForwardWait");
  if (fault("task waited for twice")) CVI_NN_ForwardWait(model, task);
}

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  std::vector<char> file = contents(model_path);
  if (fault("half a model")) file.resize(file.size() / 2);
  CVI_MODEL_HANDLE model = nullptr;
  if (fault("from a file")) {
    ok(CVI_NN_RegisterModel(model_path.c_str(), &model), "CVI_NN_RegisterModel");
  } else if (fault("no file")) {
    ok(CVI_NN_RegisterModel((model_path + ".missing").c_str(), &model), "CVI_NN_RegisterModel");
  } else {
    ok(CVI_NN_RegisterModelFromBuffer(reinterpret_cast<const std::int8_t*>(file.data()), static_cast<std::uint32_t>(file.size()), &model),
       "CVI_NN_RegisterModelFromBuffer");
  }
  if (fault("clone") || fault("clone not freed") || fault("clone of the dead")) {
    CVI_MODEL_HANDLE first = model;
    if (fault("clone of the dead")) CVI_NN_CleanupModel(first);
    ok(CVI_NN_CloneModel(first, &model), "CVI_NN_CloneModel");
    if (!fault("clone not freed")) CVI_NN_CleanupModel(first);
  }
  ok(CVI_NN_SetConfig(model, OPTION_PROGRAM_INDEX, fault("program of no index") ? 3 : 0), "CVI_NN_SetConfig");
  CVI_TENSOR *inputs = nullptr, *outputs = nullptr;
  std::int32_t ins = 0, outs = 0;
  if (fault("run before its tensors")) CVI_NN_Forward(model, inputs, 1, outputs, 2);
  ok(CVI_NN_GetInputOutputTensors(model, &inputs, &ins, &outputs, &outs), "CVI_NN_GetInputOutputTensors");
  if (fault("configured too late")) CVI_NN_SetConfig(model, OPTION_PROGRAM_INDEX, 0);
  const CVI_SHAPE shape = CVI_NN_TensorShape(&outputs[0]);
  must(ins == 1 && outs == 2 && inputs[0].fmt == CVI_FMT_INT8 && CVI_NN_TensorQuantScale(&inputs[0]) == 0.5F &&
           inputs[0].shape.dim[1] == kChannels && shape.dim_size == 4 && shape.dim[1] == kLogits && shape.dim[2] == 1,
       "the model is described otherwise");
  CVI_TENSOR* input = CVI_NN_GetTensorByName(fault("name of nobody") ? "picture" : "imag*", inputs, ins);
  must(input != nullptr, "CVI_NN_GetTensorByName: NULL");
  std::vector<std::int8_t> image = kept(input);
  auto* own = static_cast<std::int8_t*>(std::malloc(image.size() - (fault("short memory") ? 1 : 0)));
  std::memcpy(own, image.data(), image.size() - (fault("short memory") ? 1 : 0));
  if (fault("memory of the caller's") || fault("short memory") || fault("memory freed before the run")) {
    ok(CVI_NN_SetTensorPtr(input, own), "CVI_NN_SetTensorPtr");
    if (fault("memory freed before the run")) std::free(own);
  } else if (fault("no memory")) {
    CVI_NN_SetTensorPtr(input, nullptr);
  } else {
    // Floats into memory of bytes is what a caller does who does not look at fmt.
    if (fault("floats into bytes")) std::memset(CVI_NN_TensorPtr(input), 0, kPixels * sizeof(float));
    std::memcpy(CVI_NN_TensorPtr(input), image.data(), image.size());
  }
  run(model, inputs, outputs);
  shown(outputs);
  const auto* logits = static_cast<const std::int8_t*>(CVI_NN_TensorPtr(&outputs[0]));
  if (!fault("no cleanup")) CVI_NN_CleanupModel(model);
  if (fault("cleaned up twice")) CVI_NN_CleanupModel(model);
  if (fault("tensor after cleanup")) CVI_NN_TensorPtr(outputs);
  if (fault("read after cleanup")) show(logits, kLogits);
  if (fault("run after cleanup")) CVI_NN_Forward(model, inputs, ins, outputs, outs);
  if (!fault("memory freed before the run")) std::free(own);
  return 0;
}
