"""edu_lib: the library of Thirty Frames, a kit on efficient CNNs.

    import edu_lib as edu
    small = edu.prune_channels(model, example_input, ratio=0.5)

Every technique and every measurement is one attribute away. A name is imported at its first use,
so `import edu_lib` costs no more than `import torch`. `dir(edu)` lists all names.
"""

import importlib

import torch  # noqa: F401  every name needs it, and the first one should not wait for it

__version__ = "0.1.0"

OFFERED = {
    "edu_lib.cost": ("count_cost",),
    "edu_lib.data": ("Dataset", "Split", "fashion_mnist", "mnist"),
    "edu_lib.deploy": (
        "IntegerNetwork",
        "container",
        "export_c",
        "export_int4",
        "export_int8",
        "export_onnx",
        "run_onnx",
    ),
    "edu_lib.layers": ("to_plain",),
    "edu_lib.measure": (
        "Card",
        "compare_cards",
        "compare_latency",
        "describe_machine",
        "load_published",
        "load_result",
        "measure_latency",
        "measure_roofline",
        "measure_transfer",
        "onnxruntime_runner",
        "openvino_runner",
        "pick_device",
        "pytorch_runner",
        "save_result",
    ),
    "edu_lib.reporting": ("report",),
    "edu_lib.techniques.distillation": (
        "Distilled",
        "born_again",
        "correct_bias",
        "distillation_loss",
        "distillation_objective",
        "soft_target_loss",
    ),
    "edu_lib.techniques.entropy_coding": ("HuffmanCode", "entropy_bits", "levels_bits"),
    "edu_lib.techniques.factorization": (
        "factor",
        "ranks_by_budget",
        "ranks_by_energy",
        "separate",
    ),
    "edu_lib.techniques.multitask": (
        "UncertaintyWeighting",
        "gradient_conflict",
        "pcgrad",
        "search_weights",
    ),
    "edu_lib.techniques.pruning": (
        "lottery_ticket",
        "plan_channels",
        "prune",
        "prune_channels",
        "prune_in_steps",
        "sparsity_of",
    ),
    "edu_lib.techniques.quantization": (
        "binarize",
        "convert",
        "correct_biases",
        "equalize",
        "fold_batch_norm",
        "prepare_qat",
        "quantize_static",
        "quantize_weights",
        "ternarize",
    ),
    "edu_lib.techniques.rate_distortion": ("RateDistortion",),
    "edu_lib.techniques.weight_sharing": ("share_weights",),
    "edu_lib.techniques.winograd": ("winograd",),
    "edu_lib.training": ("History", "evaluate", "fit", "random_affine", "random_shift"),
    "edu_lib.weights": ("load_weights", "save_weights"),
}
PACKAGES = ("data", "deploy", "measure", "models", "reporting", "techniques", "training")
_module_of = {name: module for module, names in OFFERED.items() for name in names}

__all__ = sorted([*_module_of, *PACKAGES])


def __getattr__(name: str) -> object:
    """Import what `name` needs. Raises AttributeError that says where names are listed."""
    if name in PACKAGES:
        return importlib.import_module(f"edu_lib.{name}")
    if name not in _module_of:
        raise AttributeError(f"edu_lib has no {name!r}: dir(edu_lib) lists what it has")
    value = getattr(importlib.import_module(_module_of[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
