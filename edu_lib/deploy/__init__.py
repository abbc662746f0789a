"""Deploying: files that run without PyTorch."""

from edu_lib.deploy.onnx import export_onnx, run_onnx, session

__all__ = ["export_onnx", "run_onnx", "session"]
