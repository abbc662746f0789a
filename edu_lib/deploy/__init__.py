"""Deploying: files that run without PyTorch."""

from edu_lib.deploy import container
from edu_lib.deploy.c import export_c
from edu_lib.deploy.integer import IntegerNetwork
from edu_lib.deploy.onnx import export_onnx, run_onnx, session
from edu_lib.deploy.qdq import export_int4, export_int8

__all__ = [
    "IntegerNetwork",
    "container",
    "export_c",
    "export_int4",
    "export_int8",
    "export_onnx",
    "run_onnx",
    "session",
]
