// Stands for libbmrt.so and libbmlib.so. A launch returns at once: what it computes is written by bm_thread_sync, and
// who reads, frees or launches into that memory before is told so.
#include "state.hpp"

STANDIN("bmruntime")

bm_status_t bm_dev_request(bm_handle_t* handle, int devid) {
  const std::lock_guard held(standin::lock());
  if (handle == nullptr || devid < 0) return BM_ERR_PARAM;
  if (devid > 0) return BM_ERR_DEVNOTREADY;
  *handle = static_cast<bm_handle_t>(standin::new_handle());
  devices()[*handle] = {};
  ledger().born(*handle, kDevice, "bm_dev_free");
  return BM_SUCCESS;
}

void bm_dev_free(bm_handle_t handle) {
  const std::lock_guard held(standin::lock());
  ledger().died(handle, kDevice, "bm_dev_free");
  for (const auto& [at, one] : runtimes()) {
    if (one.device == handle && ledger().lives(at, kRuntime)) fault("bm_dev_free: a runtime of it without bmrt_destroy");
  }
  if (ledger().living(kDevice) == 0 && ledger().living(kMemory) != 0) {
    fault("bm_dev_free: device memory without bm_free_device");
  }
  devices().erase(handle);
}

bm_status_t bm_malloc_device_byte(bm_handle_t handle, bm_device_mem_t* pmem, unsigned int size) {
  const std::lock_guard held(standin::lock());
  device(handle, "bm_malloc_device_byte");
  if (pmem == nullptr || size == 0) return BM_ERR_PARAM;
  return allocate(pmem, size) ? BM_SUCCESS : BM_ERR_NOMEM;
}

void bm_free_device(bm_handle_t handle, bm_device_mem_t mem) {
  const std::lock_guard held(standin::lock());
  device(handle, "bm_free_device");
  idle(mem, "bm_free_device");
  ledger().died(address(mem), kMemory, "bm_free_device");
  std::free(standin::from_device(address(mem)));
}

unsigned int bm_mem_get_device_size(bm_device_mem_t mem) { return mem.size; }

bm_status_t bm_memcpy_s2d(bm_handle_t handle, bm_device_mem_t dst, void* src) {
  return copy(handle, dst, src, dst.size, 0, true, "bm_memcpy_s2d");
}
bm_status_t bm_memcpy_s2d_partial(bm_handle_t handle, bm_device_mem_t dst, void* src, unsigned int size) {
  return copy(handle, dst, src, size, 0, true, "bm_memcpy_s2d_partial");
}
bm_status_t bm_memcpy_s2d_partial_offset(bm_handle_t handle, bm_device_mem_t dst, void* src, unsigned int size,
                                         unsigned int offset) {
  return copy(handle, dst, src, size, offset, true, "bm_memcpy_s2d_partial_offset");
}
bm_status_t bm_memcpy_d2s(bm_handle_t handle, void* dst, bm_device_mem_t src) {
  return copy(handle, src, dst, src.size, 0, false, "bm_memcpy_d2s");
}
bm_status_t bm_memcpy_d2s_partial(bm_handle_t handle, void* dst, bm_device_mem_t src, unsigned int size) {
  return copy(handle, src, dst, size, 0, false, "bm_memcpy_d2s_partial");
}
bm_status_t bm_memcpy_d2s_partial_offset(bm_handle_t handle, void* dst, bm_device_mem_t src, unsigned int size,
                                         unsigned int offset) {
  return copy(handle, src, dst, size, offset, false, "bm_memcpy_d2s_partial_offset");
}

bm_status_t bm_thread_sync(bm_handle_t handle) {
  const std::lock_guard held(standin::lock());
  std::vector<Pending> pending;
  std::swap(pending, device(handle, "bm_thread_sync").pending);
  for (const Pending& one : pending) one.finish();
  return BM_SUCCESS;
}

void bmrt_shape(bm_shape_t* shape, const int* dims, int num_dims) {
  if (shape == nullptr || dims == nullptr || num_dims > BM_MAX_DIMS_NUM) fault("bmrt_shape: NULL, or too many axes");
  *shape = {};
  shape->num_dims = num_dims;
  for (int i = 0; i < num_dims; ++i) shape->dims[i] = dims[i];
}

uint64_t bmrt_shape_count(const bm_shape_t* shape) {
  std::uint64_t count = 1;
  for (int i = 0; i < shape->num_dims; ++i) count *= static_cast<std::uint64_t>(shape->dims[i]);
  return count;
}

bool bmrt_shape_is_same(const bm_shape_t* left, const bm_shape_t* right) {
  if (left->num_dims != right->num_dims) return false;
  for (int i = 0; i < left->num_dims; ++i) {
    if (left->dims[i] != right->dims[i]) return false;
  }
  return true;
}

void bmrt_tensor(bm_tensor_t* tensor, void* p_bmrt, bm_data_type_t dtype, bm_shape_t shape) {
  const std::lock_guard held(standin::lock());
  runtime(p_bmrt, "bmrt_tensor");
  *tensor = {};
  tensor->dtype = dtype;
  tensor->shape = shape;
  allocate(&tensor->device_mem, bmrt_tensor_bytesize(tensor));
}

void bmrt_tensor_with_device(bm_tensor_t* tensor, bm_device_mem_t device_mem, bm_data_type_t dtype, bm_shape_t shape) {
  *tensor = {};
  tensor->dtype = dtype;
  tensor->shape = shape;
  tensor->device_mem = device_mem;
}

size_t bmrt_tensor_bytesize(const bm_tensor_t* tensor) { return bmrt_shape_count(&tensor->shape) * width(tensor->dtype); }

size_t bmrt_tensor_device_size(const bm_tensor_t* tensor) { return tensor->device_mem.size; }

void* bmrt_create(bm_handle_t bm_handle) {
  const std::lock_guard held(standin::lock());
  device(bm_handle, "bmrt_create");
  void* made = standin::new_handle();
  runtimes()[made].device = bm_handle;
  ledger().born(made, kRuntime, "bmrt_destroy");
  return made;
}

void bmrt_destroy(void* p_bmrt) {
  const std::lock_guard held(standin::lock());
  ledger().died(p_bmrt, kRuntime, "bmrt_destroy");
  Runtime& one = runtimes()[p_bmrt];
  if (!device(one.device, "bmrt_destroy").pending.empty()) fault("bmrt_destroy: a launch was not waited for (bm_thread_sync)");
  runtimes().erase(p_bmrt);
}

bool bmrt_load_bmodel(void* p_bmrt, const char* bmodel_path) {
  const std::lock_guard held(standin::lock());
  std::vector<unsigned char> bytes;
  if (bmodel_path == nullptr || !standin::read_file(bmodel_path, &bytes)) {
    complain("bmrt_load_bmodel: no such file");
    return false;
  }
  return load(p_bmrt, bytes.data(), bytes.size(), "bmrt_load_bmodel");
}

bool bmrt_load_bmodel_data(void* p_bmrt, const void* bmodel_data, size_t size) {
  const std::lock_guard held(standin::lock());
  return load(p_bmrt, bmodel_data, size, "bmrt_load_bmodel_data");
}

int bmrt_get_network_number(void* p_bmrt) {
  const std::lock_guard held(standin::lock());
  return static_cast<int>(runtime(p_bmrt, "bmrt_get_network_number").networks.size());
}

void bmrt_get_network_names(void* p_bmrt, const char*** network_names) {
  const std::lock_guard held(standin::lock());
  const Runtime& one = runtime(p_bmrt, "bmrt_get_network_names");
  *network_names = static_cast<const char**>(std::calloc(one.networks.size() + 1, sizeof(char*)));
  for (std::size_t i = 0; i < one.networks.size(); ++i) (*network_names)[i] = one.networks[i]->info.name;
}

const bm_net_info_t* bmrt_get_network_info(void* p_bmrt, const char* net_name) {
  const std::lock_guard held(standin::lock());
  for (const auto& network : runtime(p_bmrt, "bmrt_get_network_info").networks) {
    if (net_name != nullptr && network->model->name == net_name) return &network->info;
  }
  return nullptr;
}

bool bmrt_launch_tensor_ex(void* p_bmrt, const char* net_name, const bm_tensor_t input_tensors[], int input_num,
                           bm_tensor_t output_tensors[], int output_num, bool user_mem, bool) {
  const std::lock_guard held(standin::lock());
  Runtime& one = runtime(p_bmrt, "bmrt_launch_tensor");
  const bm_net_info_t* info = bmrt_get_network_info(p_bmrt, net_name);
  if (info == nullptr) return refused("there is no such network");
  if (input_num != info->input_num || output_num != info->output_num) return refused("another number of tensors");
  std::shared_ptr<standin::Model> model;
  for (const auto& network : one.networks) {
    if (&network->info == info) model = network->model;
  }
  Pending pending{model, {}, {}};
  for (int i = 0; i < input_num; ++i) {
    if (!fits(input_tensors[i], model->inputs[static_cast<std::size_t>(i)], true)) return false;
    pending.in.push_back(address(input_tensors[i].device_mem));
  }
  for (int i = 0; i < output_num; ++i) {
    const Tensor& tensor = model->outputs[static_cast<std::size_t>(i)];
    if (!user_mem) allocate(&output_tensors[i].device_mem, tensor.size());
    if (!fits(output_tensors[i], tensor, false)) return false;
    idle(output_tensors[i].device_mem, "bmrt_launch_tensor");
    output_tensors[i].dtype = named(tensor.type);
    output_tensors[i].st_mode = BM_STORE_1N;
    const std::vector<int> laid = tensor.laid();
    bmrt_shape(&output_tensors[i].shape, laid.data(), static_cast<int>(laid.size()));
    pending.out.push_back(address(output_tensors[i].device_mem));
  }
  device(one.device, "bmrt_launch_tensor").pending.push_back(pending);
  return true;
}

bool bmrt_launch_tensor(void* p_bmrt, const char* net_name, const bm_tensor_t input_tensors[], int input_num,
                        bm_tensor_t output_tensors[], int output_num) {
  return bmrt_launch_tensor_ex(p_bmrt, net_name, input_tensors, input_num, output_tensors, output_num, false, false);
}
