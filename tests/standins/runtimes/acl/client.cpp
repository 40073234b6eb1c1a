#include "../client.hpp"

#include <acl/acl.h>

namespace {

struct Memory {
  void* device = nullptr;
  aclDataBuffer* buffer = nullptr;
};

Memory added(aclmdlDataset* dataset, std::size_t size, std::size_t said) {
  Memory made;
  ok(aclrtMalloc(&made.device, size, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
  made.buffer = aclCreateDataBuffer(made.device, said);
  ok(aclmdlAddDatasetBuffer(dataset, made.buffer), "aclmdlAddDatasetBuffer");
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  if (!fault("no aclInit")) ok(aclInit(nullptr), "aclInit");
  if (fault("aclInit twice")) ok(aclInit(nullptr), "aclInit");
  if (!fault("no device")) ok(aclrtSetDevice(0), "aclrtSetDevice");
  std::vector<char> file = contents(model_path);
  if (fault("half a model")) file.resize(file.size() / 2);
  std::uint32_t model = 0;
  ok(aclmdlLoadFromMem(file.data(), file.size(), &model), "aclmdlLoadFromMem");
  aclmdlDesc* desc = aclmdlCreateDesc();
  if (!fault("empty description")) ok(aclmdlGetDesc(desc, fault("model of nobody") ? 77 : model), "aclmdlGetDesc");
  aclmdlIODims dims{};
  ok(aclmdlGetInputDims(desc, 0, &dims), "aclmdlGetInputDims");
  must(dims.dimCount == 4 && dims.dims[1] == kChannels && aclmdlGetInputDataType(desc, 0) == ACL_FLOAT16 &&
           aclmdlGetInputFormat(desc, 0) == ACL_FORMAT_NCHW && aclmdlGetNumOutputs(desc) == 2 &&
           aclmdlGetOutputDataType(desc, 0) == ACL_FLOAT && std::string(aclmdlGetOutputNameByIndex(desc, 1)) == "heat",
       "the model is described otherwise");
  ok(aclmdlGetOutputDims(desc, fault("output of no index") ? 5 : 1, &dims), "aclmdlGetOutputDims");

  std::vector<_Float16> image;
  for (const std::uint8_t pixel : pixels) image.push_back(static_cast<_Float16>(pixel));
  const std::size_t bytes = image.size() * sizeof(_Float16);
  aclmdlDataset* in = aclmdlCreateDataset();
  const Memory given = added(in, aclmdlGetInputSizeByIndex(desc, 0), fault("short input") ? bytes - 2 : bytes);
  if (fault("device written without a copy")) std::memcpy(given.device, image.data(), bytes);
  const std::size_t room = fault("copy past the end") ? bytes + 2 : bytes;
  ok(aclrtMemcpy(given.device, room, image.data(), fault("more than there is room") ? bytes + 2 : bytes,
                 fault("wrong direction") ? ACL_MEMCPY_DEVICE_TO_HOST : ACL_MEMCPY_HOST_TO_DEVICE),
     "aclrtMemcpy");
  aclmdlDataset* out = aclmdlCreateDataset();
  std::vector<float> host(kHeat);
  std::vector<Memory> results;
  for (std::size_t i = 0; i < (fault("one output") ? 1 : 2); ++i) {
    const std::size_t size = aclmdlGetOutputSizeByIndex(desc, i);
    results.push_back(added(out, size, fault("buffer larger than its memory") ? size + 4 : size));
  }
  if (fault("host memory as output")) {
    aclDestroyDataBuffer(results[0].buffer);
    aclmdlDestroyDataset(out);
    out = aclmdlCreateDataset();
    for (int i = 0; i < 2; ++i) aclmdlAddDatasetBuffer(out, aclCreateDataBuffer(host.data(), kHeat * 4));
  }
  if (fault("buffer destroyed too early")) aclDestroyDataBuffer(results[0].buffer);
  if (the_fault == "asynchronous" || fault("no synchronize") || fault("memory freed while it runs")) {
    aclrtStream stream = nullptr;
    ok(aclrtCreateStream(&stream), "aclrtCreateStream");
    ok(aclmdlExecuteAsync(model, in, out, stream), "aclmdlExecuteAsync");
    if (fault("memory freed while it runs")) aclrtFree(given.device);
    if (!fault("no synchronize")) ok(aclrtSynchronizeStream(stream), "aclrtSynchronizeStream");
    ok(aclrtMemcpy(host.data(), host.size() * 4, results[0].device, kLogits * 4, ACL_MEMCPY_DEVICE_TO_HOST), "aclrtMemcpy");
    ok(aclrtDestroyStream(stream), "aclrtDestroyStream");
  } else {
    ok(aclmdlExecute(model, in, out), "aclmdlExecute");
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const std::size_t size = i == 0 ? kLogits : kHeat;
    ok(aclrtMemcpy(host.data(), host.size() * 4, results[i].device, size * 4, ACL_MEMCPY_DEVICE_TO_HOST), "aclrtMemcpy");
    show(host.data(), size);
  }
  results.push_back(given);
  for (const Memory& one : results) {
    if (!fault("memory not freed")) aclrtFree(one.device);
    if (!fault("buffers not destroyed")) aclDestroyDataBuffer(one.buffer);
  }
  if (fault("memory freed twice")) aclrtFree(given.device);
  if (fault("copy after free")) aclrtMemcpy(host.data(), 4, given.device, 4, ACL_MEMCPY_DEVICE_TO_HOST);
  aclmdlDestroyDataset(in);
  if (!fault("dataset not destroyed")) aclmdlDestroyDataset(out);
  if (fault("dataset destroyed twice")) aclmdlDestroyDataset(in);
  const char* name = aclmdlGetInputNameByIndex(desc, 0);
  if (!fault("description not destroyed")) aclmdlDestroyDesc(desc);
  if (fault("description after its end")) aclmdlGetNumInputs(desc);
  if (!fault("model not unloaded")) aclmdlUnload(model);
  if (fault("name after unload")) std::printf("%s\n", name);
  if (fault("unloaded twice")) aclmdlUnload(model);
  if (!fault("device not reset")) aclrtResetDevice(0);
  if (!fault("no aclFinalize")) aclFinalize();
  return 0;
}
