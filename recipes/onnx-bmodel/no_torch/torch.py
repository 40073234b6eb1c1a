"""Stands where tpu_mlir's calibration imports PyTorch, and does not use it for ONNX models."""
