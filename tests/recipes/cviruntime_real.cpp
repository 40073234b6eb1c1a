// Asks the real libcviruntime.so through the stand-in's declarations: real FOLDER MODEL < floats of the input. Each line of
// the answer begins with `answer`, since the library writes on stdout as well.
#include <cviruntime.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

void must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::exit(1);
}

template <class Function>
Function* find(void* library, const char* name) {
  void* found = dlsym(library, name);
  must(found != nullptr, name);
  return reinterpret_cast<Function*>(found);
}
#define FIND(name) const auto name##_ = find<decltype(name)>(library, #name)

/// What the stand-in says of every tensor too.
void described(const CVI_TENSOR& tensor) {
  must(tensor.fmt == CVI_FMT_FP32 && tensor.qscale == 1.0F && tensor.zero_point == 0, "floats have a scale of 1");
  must(tensor.shape.dim_size == 4 && tensor.shape.dim[0] == 1, "four axes");
  must(tensor.pixel_format == CVI_NN_PIXEL_TENSOR && !tensor.aligned, "no picture");
  must(tensor.mem_type == CVI_MEM_SYSTEM && tensor.mem_size == tensor.count * sizeof(float), "memory of the system");
  must(tensor.owner != nullptr, "it has an owner");
}

}  // namespace

int main(int argc, char** argv) {
  must(argc == 3, "real FOLDER MODEL");
  void* library = dlopen((std::string(argv[1]) + "/libcviruntime.so").c_str(), RTLD_NOW);
  must(library != nullptr, "it is loaded");
  FIND(CVI_NN_RegisterModel);
  FIND(CVI_NN_GetModelTarget);
  FIND(CVI_NN_GetInputOutputTensors);
  FIND(CVI_NN_TensorPtr);
  FIND(CVI_NN_TensorSize);
  FIND(CVI_NN_TensorCount);
  FIND(CVI_NN_TensorShape);
  FIND(CVI_NN_Forward);
  FIND(CVI_NN_CleanupModel);
  CVI_MODEL_HANDLE model = nullptr;
  must(CVI_NN_RegisterModel_(argv[2], &model) == CVI_RC_SUCCESS, "it is registered");
  must(std::strncmp(CVI_NN_GetModelTarget_(model), "cv18", 4) == 0, "its target is a chip's name");
  CVI_TENSOR *inputs = nullptr, *outputs = nullptr;
  int32_t ins = 0, outs = 0;
  must(CVI_NN_GetInputOutputTensors_(model, &inputs, &ins, &outputs, &outs) == CVI_RC_SUCCESS && ins == 1 && outs == 1, "one each");
  described(inputs[0]);
  described(outputs[0]);
  must(CVI_NN_TensorShape_(inputs).dim[2] == 28 && CVI_NN_TensorCount_(inputs) == 784, "its input is a digit");
  void* at = CVI_NN_TensorPtr_(inputs);
  must(at == inputs[0].sys_mem, "its memory is sys_mem");
  must(std::fread(at, 1, CVI_NN_TensorSize_(inputs), stdin) == CVI_NN_TensorSize_(inputs), "the whole input");
  must(CVI_NN_Forward_(model, inputs, ins, outputs, outs) == CVI_RC_SUCCESS, "it computes");
  const auto* answer = static_cast<const float*>(CVI_NN_TensorPtr_(outputs));
  for (std::size_t i = 0; i < CVI_NN_TensorCount_(outputs); ++i) std::printf("answer %.9g\n", static_cast<double>(answer[i]));
  must(CVI_NN_CleanupModel_(model) == CVI_RC_SUCCESS, "it is freed");
  return 0;
}
