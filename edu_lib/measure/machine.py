"""Which machine measured this: a number without it is not a result. Taught in chapter 05."""

import ctypes
import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import torch

# The vector instructions that decide how fast a network runs, as Linux spells them.
VECTOR_INSTRUCTIONS = (
    *("sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
# macOS on Apple silicon: the name sysctl knows, and our name.
APPLE_FEATURES = {"AdvSIMD": "asimd", "FEAT_DotProd": "asimddp", "FEAT_I8MM": "i8mm"}
# Windows: the number IsProcessorFeaturePresent knows, and our name.
WINDOWS_FEATURES = {38: "sse4_2", 39: "avx", 40: "avx2", 41: "avx512f", 43: "asimddp"}
PACKAGES = ("torch", "torchvision", "numpy", "onnx", "onnxruntime")


def pick_device() -> torch.device:
    """The accelerator that PyTorch can really use, else the CPU.

    `check_available=True` matters: without it a CUDA build answers "cuda" on a machine with no GPU.
    """
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def device_name(device: torch.device | str) -> str:
    """The model name of `device`: of the processor for "cpu", else of the accelerator."""
    device = torch.device(device)
    if device.type == "cpu":
        return _processor()[0]
    ask = getattr(torch.get_device_module(device), "get_device_name", None)
    return ask(device) if ask else f"{device.type} accelerator"


def all_threads() -> int:
    """The number of logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict:
    """The machine: keys cpu, isa (list), cores, threads, gpu (name or None), ram_gb, os."""
    cpu, isa = _processor()
    device = pick_device()
    return {
        "cpu": cpu,
        "isa": list(isa),
        "cores": psutil.cpu_count(logical=False) or all_threads(),
        "threads": all_threads(),
        "gpu": None if device.type == "cpu" else device_name(device),
        "ram_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "os": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict:
    """Versions of Python and of the packages that do the work; None where one is not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


@functools.cache
def _processor() -> tuple[str, tuple[str, ...]]:
    """(model name, vector instructions); what an operating system does not tell is left out."""
    readers = {"linux": _linux_processor, "darwin": _macos_processor, "win32": _windows_processor}
    try:
        name, isa = readers[sys.platform]()
    except (KeyError, OSError, subprocess.SubprocessError):
        name, isa = "", []
    if not isa:
        isa = [torch.backends.cpu.get_cpu_capability().lower()]
    return name or platform.processor() or platform.machine(), tuple(isa)


def _linux_processor(path: str | Path = "/proc/cpuinfo") -> tuple[str, list[str]]:
    fields = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    # x86 lists "flags", ARM lists "Features".
    present = set((fields.get("flags") or fields.get("Features") or "").split())
    return fields.get("model name", ""), [isa for isa in VECTOR_INSTRUCTIONS if isa in present]


def _macos_processor() -> tuple[str, list[str]]:
    name = _sysctl("machdep.cpu.brand_string")
    listed = _sysctl("machdep.cpu.features") + " " + _sysctl("machdep.cpu.leaf7_features")
    present = {word.lower().replace("avx1.0", "avx") for word in listed.split()}
    isa = [isa for isa in VECTOR_INSTRUCTIONS if isa.replace("_", ".") in present or isa in present]
    isa += [
        ours for key, ours in APPLE_FEATURES.items() if _sysctl(f"hw.optional.arm.{key}") == "1"
    ]
    return name, isa


def _sysctl(key: str) -> str:
    answer = subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, timeout=10)
    return answer.stdout.strip()


def _windows_processor() -> tuple[str, list[str]]:
    import winreg

    key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as entry:
        name = winreg.QueryValueEx(entry, "ProcessorNameString")[0].strip()
    has = ctypes.windll.kernel32.IsProcessorFeaturePresent
    return name, [ours for number, ours in WINDOWS_FEATURES.items() if has(number)]
