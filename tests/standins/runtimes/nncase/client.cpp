#include "../client.hpp"

#include <nncase/api.h>

namespace {

template <class Node>
void let_go(Node* node) {
  nncase_object_release(reinterpret_cast<nncase::object_node*>(node));
}

void print(nncase::tensor_node* tensor, std::size_t count) {
  nncase_buffer_slice slice{};
  ok(nncase_tensor_get_buffer(tensor, &slice), "nncase_tensor_get_buffer");
  nncase::runtime::host_buffer_node* host = nullptr;
  ok(nncase_buffer_as_host(slice.buffer, &host), "nncase_buffer_as_host");
  void* data = nullptr;
  ok(nncase_host_buffer_map(host, nncase::runtime::map_read, &data, nullptr), "nncase_host_buffer_map");
  show(reinterpret_cast<float*>(static_cast<char*>(data) + slice.start), count);
  ok(nncase_host_buffer_unmap(host), "nncase_host_buffer_unmap");
  let_go(host);
  if (!fault("output's buffer kept")) let_go(slice.buffer);
  if (fault("output's buffer freed twice")) let_go(slice.buffer);
}

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  auto file = std::make_unique<std::vector<char>>(contents(model_path));
  if (fault("half a model")) file->resize(file->size() / 2);
  nncase::runtime::interpreter* interp = nullptr;
  ok(nncase_interp_create(&interp), "nncase_interp_create");
  nncase::runtime::runtime_function* func = nullptr;
  if (fault("function before the model")) ok(nncase_interp_get_entry_func(interp, &func), "nncase_interp_get_entry_func");
  ok(nncase_interp_load_model(interp, file->data(), static_cast<std::uint32_t>(file->size()), false), "nncase_interp_load_model");
  ok(nncase_interp_get_entry_func(interp, &func), "nncase_interp_get_entry_func");
  if (fault("model's bytes freed")) file.reset();

  nncase::datatype_node* type = nullptr;
  ok(nncase_dtype_create_prime(fault("another type") ? nncase::dt_int8 : nncase::dt_uint8, &type), "nncase_dtype_create_prime");
  nncase::runtime::buffer_allocator* alloc = nullptr;
  ok(nncase_buffer_allocator_get_host(&alloc), "nncase_buffer_allocator_get_host");
  nncase::runtime::buffer_node* buffer = nullptr;
  ok(nncase_buffer_allocator_alloc(alloc, fault("short buffer") ? 59 : kPixels, nullptr, &buffer), "nncase_buffer_allocator_alloc");
  nncase::runtime::host_buffer_node* host = nullptr;
  ok(nncase_buffer_as_host(buffer, &host), "nncase_buffer_as_host");
  void* data = nullptr;
  std::uint32_t bytes = 0;
  ok(nncase_host_buffer_map(host, nncase::runtime::map_write, &data, &bytes), "nncase_host_buffer_map");
  std::memcpy(data, pixels.data(), bytes);
  if (!fault("not unmapped")) ok(nncase_host_buffer_unmap(host), "nncase_host_buffer_unmap");
  if (fault("unmapped twice")) nncase_host_buffer_unmap(host);
  let_go(host);
  std::uint32_t dims[4] = {1, 3, 4, 5}, strides[4] = {60, 20, 5, 1};
  if (fault("another shape")) {
    dims[1] = 4, dims[2] = 3;
    strides[1] = 15;
  }
  if (fault("strides in bytes of another type")) strides[2] = 20;
  nncase_buffer_slice slice{buffer, 0, fault("short slice") ? 30U : static_cast<std::uint32_t>(kPixels)};
  nncase::tensor_node* tensor = nullptr;
  ok(nncase_tensor_create(type, dims, 4, strides, 4, &slice, &tensor), "nncase_tensor_create");
  if (!fault("buffer kept")) let_go(buffer);
  let_go(type);
  nncase::value_node* params[2] = {reinterpret_cast<nncase::value_node*>(tensor), nullptr};
  if (fault("a buffer as input")) params[0] = reinterpret_cast<nncase::value_node*>(type);
  nncase::value_node* result = nullptr;
  if (fault("freed input")) let_go(tensor);
  ok(nncase_func_invoke(func, params, fault("two inputs") ? 2 : 1, &result), "nncase_func_invoke");
  bool is_tensor = true;
  ok(nncase_value_is_tensor(result, &is_tensor), "nncase_value_is_tensor");
  must(!is_tensor, "two outputs are a tuple");
  nncase::value_node* fields[2] = {};
  std::uint32_t length = fault("room for one output") ? 1 : 2;
  ok(nncase_tuple_get_fields(reinterpret_cast<nncase::tuple_node*>(result), fields, &length), "nncase_tuple_get_fields");
  print(reinterpret_cast<nncase::tensor_node*>(fields[0]), kLogits);
  print(reinterpret_cast<nncase::tensor_node*>(fault("a tuple as a tensor") ? result : fields[1]), kHeat);
  for (nncase::value_node* one : fields) {
    if (!fault("outputs kept")) let_go(one);
  }
  if (!fault("result kept")) let_go(result);
  if (fault("result freed twice")) let_go(result);
  let_go(tensor);
  if (!fault("no nncase_interp_free")) nncase_interp_free(interp);
  if (fault("interpreter freed twice")) nncase_interp_free(interp);
  if (fault("function after its interpreter")) nncase_func_get_params_size(func, &length);
  return 0;
}
