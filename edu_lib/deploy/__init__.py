"""Deploying: files that run without PyTorch."""

from edu_lib.deploy.integer import IntegerNetwork
from edu_lib.deploy.onnx import export_onnx, run_onnx, session
from edu_lib.deploy.qdq import export_int8

__all__ = ["IntegerNetwork", "export_int8", "export_onnx", "run_onnx", "session"]
