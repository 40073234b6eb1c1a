"""The table of ``test_runtimes.py``: each vendor's model, its right ways, each fault and what it is told."""

from __future__ import annotations

from collections.abc import Mapping

from tests.standins.runtimes import net
from tests.standins.runtimes.build import Tensor

SANITIZER = "heap-use-after-free"
CRASH = "ERROR: AddressSanitizer"
SANITIZERS = (SANITIZER, CRASH, "LeakSanitizer")
FREED_TWICE, USED_AFTER, LEFT = "double free", "use after free", "at unload"

_HEAT = Tensor("heat", "out1", net.HEAT)

TENSORS: Mapping[str, tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = {
    "rknn": (
        (Tensor("image", "in0", net.INPUT, "int8", "nhwc", 1.0, -128),),
        (
            Tensor("logits", "out0", net.LOGITS, "int8", "nchw", 16.0, 3),
            Tensor("heat", "out1", net.HEAT, "int8", "nchw", 8.0, -5),
        ),
    ),
    "bmruntime": (
        (Tensor("image", "in0", net.INPUT, "int8", "nchw", 2.0),),
        (
            Tensor("logits", "out0", net.LOGITS, "int8", "nchw", 16.0),
            Tensor("heat", "out1", net.HEAT, "int8", "nchw", 8.0),
        ),
    ),
    "acl": (
        (Tensor("image", "in0", net.INPUT, "float16"),),
        (Tensor("logits", "out0", net.LOGITS), _HEAT),
    ),
    "tensorrt": (
        (Tensor("image", "in0", net.INPUT),),
        (Tensor("logits", "out0", net.LOGITS), _HEAT),
    ),
}

RIGHT: Mapping[str, tuple[str, ...]] = {
    "tensorrt": ("", "pageable", "non-blocking"),
    "acl": ("", "asynchronous"),
    "rknn": ("", "zero-copy"),
    "bmruntime": ("", "memory of the run-time"),
}

WRONG: Mapping[str, Mapping[str, str]] = {
    "rknn": {
        "half a model": "rknn_init: refused with -6",
        "another vendor's model": "rknn_init: refused with -6",
        "size of another struct": "rknn_query: refused with -5",
        "tensor of no index": "rknn_query: refused with -5",
        "context of nobody": "rknn_run: refused with -7",
        "short input": "size 59 of image, expected 60",
        "wrong type": "size 60 of image, expected 240",
        "no layout": "fmt is neither NHWC nor NCHW",
        "input of no index": "rknn_inputs_set: refused with -8",
        "two inputs": "rknn_inputs_set: refused with -8",
        "run before inputs": "rknn_run: refused with -8",
        "run twice with one input": "rknn_run: refused with -8",
        "outputs before run": "rknn_outputs_get: refused with -1",
        "one output": "rknn_outputs_get: refused with -9",
        "short output": "size 3 of logits, needed 12",
        "get twice": "the outputs before were not released",
        "run before release": "were got and not released",
        "another buffer released": "buf is not what rknn_outputs_get gave",
        "no release": "an rknn_outputs_get without rknn_outputs_release",
        "release twice": FREED_TWICE,
        "read after release": SANITIZER,
        "memory without strides": "the memory of image has 60 bytes, needed 192",
        "memory of bytes": "the memory of logits has 3 bytes, needed 12",
        "memory not freed": "a rknn_tensor_mem of it without rknn_destroy_mem",
        "memory freed twice": FREED_TWICE,
        "no destroy": "1 rknn_context without rknn_destroy",
        "destroy twice": FREED_TWICE,
        "run after destroy": USED_AFTER,
    },
    "bmruntime": {
        "another device": "bm_dev_request: refused with 1",
        "half a model": "not a bmodel: it is cut off",
        "wrong shape": "image is of another shape",
        "wrong type": "image is of another type",
        "four batches in a word": "its st_mode is not BM_STORE_1N",
        "too many bytes": "61 bytes of a memory of 60",
        "short output": "logits: 2 bytes of memory, needed 3",
        "another network": "there is no such network",
        "one output": "another number of tensors",
        "memory freed too early": "a launch that reads this memory was not waited for",
        "destroyed too early": "a launch was not waited for",
        "no sync": "a launch that writes this memory was not waited for",
        "device's address followed": CRASH,
        "outputs not freed": "device memory without bm_free_device",
        "output freed twice": FREED_TWICE,
        "input not freed": "device memory without bm_free_device",
        "copied after free": USED_AFTER,
        "names not freed": "LeakSanitizer",
        "device freed before the runtime": "a runtime of it without bmrt_destroy",
        "no destroy": "a runtime of it without bmrt_destroy",
        "destroyed twice": FREED_TWICE,
        "info after destroy": SANITIZER,
        "device not freed": "1 bm_handle_t without bm_dev_free",
    },
    "acl": {
        "no aclInit": "refused with 100001",
        "aclInit twice": "refused with 100002",
        "no device": "refused with 107002",
        "half a model": "refused with 100006",
        "model of nobody": "refused with 100011",
        "empty description": "the aclmdlDesc is empty",
        "output of no index": "refused with 100000",
        "short input": "the buffer of image has 118 bytes, needed 120",
        "device written without a copy": CRASH,
        "copy past the end": "destMax is more than the memory of the device",
        "more than there is room": "count is more than destMax",
        "wrong direction": "kind says otherwise where the memories are",
        "one output": "1 buffers in a dataset, the model has 2",
        "buffer larger than its memory": "says that it is larger than its memory",
        "host memory as output": "the buffer of logits is not memory of the device",
        "buffer destroyed too early": USED_AFTER,
        "no synchronize": "an execution that writes this memory was not waited for",
        "memory freed while it runs": "an execution that reads this memory was not waited for",
        "memory not freed": "aclrtMalloc'ed memory without aclrtFree",
        "memory freed twice": FREED_TWICE,
        "copy after free": USED_AFTER,
        "buffers not destroyed": "3 aclDataBuffer without aclDestroyDataBuffer",
        "dataset not destroyed": "1 aclmdlDataset without aclmdlDestroyDataset",
        "dataset destroyed twice": FREED_TWICE,
        "description not destroyed": "1 aclmdlDesc without aclmdlDestroyDesc",
        "description after its end": USED_AFTER,
        "model not unloaded": "loaded model without aclmdlUnload",
        "name after unload": SANITIZER,
        "unloaded twice": USED_AFTER,
        "device not reset": "aclFinalize: before aclrtResetDevice",
        "no aclFinalize": "1 aclInit without aclFinalize",
    },
    "tensorrt": {
        "half a plan": "logged: deserializeCudaEngine: not a plan",
        "another shape": "logged: setInputShape: the shape is not one of the profile",
        "less memory than the tensor": "the memory of image is smaller than 240 bytes",
        "more than the memory": "cudaMemcpyAsync: refused with 1",
        "wrong direction": "cudaMemcpyAsync: refused with 1",
        "device written without a copy": CRASH,
        "not aligned": "logged: setTensorAddress: the address is not aligned to 256 bytes",
        "name of nobody": "logged: setTensorAddress: there is no such tensor",
        "host memory": "the address of logits is not memory of the device",
        "no address": "logged: enqueueV3: heat has no address",
        "copied without waiting": "was not waited for (cudaStreamSynchronize)",
        "read without waiting": "nothing was copied yet",
        "stream not destroyed": "1 cudaStream_t without cudaStreamDestroy",
        "stream after its end": USED_AFTER,
        "host memory not freed": "1 cudaMallocHost'ed memory without cudaFreeHost",
        "read after cudaFreeHost": SANITIZER,
        "freed twice": FREED_TWICE,
        "memory not freed": "1 cudaMalloc'ed memory without cudaFree",
        "memory freed before a run": USED_AFTER,
        "engine before its context": "its ICudaEngine was deleted before",
        "context not deleted": "1 IExecutionContext without delete",
        "runtime before its engine": "its IRuntime was deleted before",
        "engine after its end": SANITIZER,
    },
}
