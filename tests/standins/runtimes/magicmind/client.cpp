#include "../client.hpp"

#include <mm_runtime.h>

namespace {

void good(const magicmind::Status& status, const std::string& call) { must(status.ok(), call + " (" + status.error_message() + ")"); }

}  // namespace

int main(int argc, char** argv) {
  begin(argc, argv);
  ok(cnrtSetDevice(fault("another device") ? 3 : 0), "cnrtSetDevice");
  cnrtQueue_t queue = nullptr;
  ok(cnrtQueueCreate(&queue), "cnrtQueueCreate");
  std::vector<char> file = contents(model_path);
  if (fault("half a model")) file.resize(file.size() / 2);
  magicmind::IModel* model = magicmind::CreateIModel();
  if (fault("nothing deserialised")) model->GetInputNum();
  good(model->DeserializeFromMemory(file.data(), file.size()), "DeserializeFromMemory");
  std::vector<std::int64_t> axes = model->GetInputDimension(0).GetDims();
  must(axes.size() == 4 && axes[0] == -1 && axes[3] == kChannels && model->GetOutputNum() == 2 &&
           model->GetInputDataType(0) == magicmind::DataType::UINT8 && model->GetOutputName(1) == "heat",
       "the model is described otherwise");
  magicmind::IEngine* engine = model->CreateIEngine();
  magicmind::IContext* context = engine->CreateIContext();
  std::vector<magicmind::IRTTensor*> in, out;
  good(context->CreateInputTensors(&in), "CreateInputTensors");
  good(context->CreateOutputTensors(&out), "CreateOutputTensors");
  axes[0] = fault("batch of two") ? 2 : 1;
  if (!fault("no SetDimensions")) good(in[0]->SetDimensions(magicmind::Dims(axes)), "SetDimensions");
  if (!fault("no InferOutputShape")) good(context->InferOutputShape(in, out), "InferOutputShape");
  std::vector<std::uint8_t> image = last(pixels);
  void* memory = nullptr;
  ok(cnrtMalloc(&memory, fault("short memory") ? 59 : in[0]->GetSize()), "cnrtMalloc");
  if (fault("device written without a copy")) std::memcpy(memory, image.data(), image.size());
  if (!fault("short memory")) {
    ok(cnrtMemcpy(memory, image.data(), image.size() + (fault("too many bytes") ? 9 : 0),
                  fault("wrong direction") ? CNRT_MEM_TRANS_DIR_DEV2HOST : CNRT_MEM_TRANS_DIR_HOST2DEV),
       "cnrtMemcpy");
  }
  if (!fault("no SetData")) good(in[0]->SetData(fault("host memory") ? image.data() : memory), "SetData");
  for (magicmind::IRTTensor* one : out) {
    void* made = nullptr;
    ok(cnrtMalloc(&made, one->GetSize() + (fault("no InferOutputShape") ? 96 : 0)), "cnrtMalloc");
    good(one->SetData(made), "SetData");
  }
  if (fault("outputs in another order")) std::swap(out[0], out[1]);
  if (fault("one output")) out.pop_back();
  good(context->Enqueue(in, out, queue), "Enqueue");
  if (fault("memory freed while it runs")) cnrtFree(memory);
  if (fault("queue destroyed while it runs")) cnrtQueueDestroy(queue);
  if (!fault("no cnrtQueueSync")) ok(cnrtQueueSync(queue), "cnrtQueueSync");
  for (magicmind::IRTTensor* one : out) {
    std::vector<float> host(one->GetSize() / sizeof(float));
    ok(cnrtMemcpy(host.data(), one->GetMutableData(), one->GetSize(), CNRT_MEM_TRANS_DIR_DEV2HOST), "cnrtMemcpy");
    if (host.size() == kHeat) {
      std::vector<float> first(kHeat);  // {3, 4, 2} → {2, 3, 4}
      for (std::size_t i = 0; i < kHeat; ++i) first[i % 2 * 12 + i / 2] = host[i];
      host = first;
    }
    show(host.data(), host.size());
  }
  for (magicmind::IRTTensor* one : out) {
    if (!fault("outputs not freed")) cnrtFree(one->GetMutableData());
    if (!fault("tensors not destroyed")) one->Destroy();
  }
  if (fault("tensor after its end")) out[0]->GetMutableData();
  cnrtFree(memory);
  if (fault("freed twice")) cnrtFree(memory);
  in[0]->Destroy();
  if (fault("engine before its context")) engine->Destroy();
  if (!fault("context not destroyed")) context->Destroy();
  if (fault("model before its engine")) model->Destroy();
  engine->Destroy();
  model->Destroy();
  if (!fault("queue not destroyed")) cnrtQueueDestroy(queue);
  if (fault("queue after its end")) cnrtQueueSync(queue);
  return 0;
}
