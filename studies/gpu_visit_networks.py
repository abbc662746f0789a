"""What a visited GPU does with networks: batches, kernels launched, joules."""

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import edu_lib as edu
from edu_lib.measure.energy import EnergyMeter
from edu_lib.models.roadnet import RoadNet
from edu_lib.models.small_roadnet import SmallRoadNet
from studies.gpu_visit_timing import Visit

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
EDGE = ("resnet18", "mobilenet_v2", "mobilenet_v3_small")
THEIRS = "torchvision's"
OURS = "the kit's own: torchvision is not installed"


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """{name: (network with untrained weights, shape of an image)}."""
    return {
        "lenet5": (edu.models.LeNet5(), (1, 28, 28)),
        "alexnet": (edu.models.AlexNet(), (3, 224, 224)),
        "vgg16": (edu.models.VGG16(), (3, 224, 224)),
        "road_heavy": (RoadNet(["segmentation"]), (3, 128, 256)),
        "road_separable": (RoadNet(["segmentation"], 1.0, "separable"), (3, 128, 256)),
        "road_light": (RoadNet(width=0.5), (3, 128, 256)),
        "road_small": (SmallRoadNet(), (3, 128, 256)),
        **{name: (model, (3, 224, 224)) for name, model in edge_networks()[1].items()},
    }


def edge_networks() -> tuple[str, dict[str, nn.Module]]:
    """(whose they are, {name: edge network with untrained weights})."""
    try:
        from torchvision.models import get_model
    except ImportError:
        own = {"mobilenet_v1": edu.models.MobileNetV1(), "repvgg_a0": edu.models.RepVGGA0()}
        return OURS, own | {"efficientnet_lite0": edu.models.EfficientNetLite0()}
    return THEIRS, {name: get_model(name, weights=None) for name in EDGE}


@torch.inference_mode()
def sweep(visit: Visit) -> list[dict]:
    """Milliseconds of a batch, network by network."""

    def row(name: str, model: nn.Module, shape: tuple, batch: int) -> dict:
        X = torch.rand(batch, *shape, device=visit.device)
        return {"network": name, "batch": batch, "p50_ms": visit.right_ms(lambda: model(X))}

    rows = []
    for name, (model, shape) in networks().items():
        model = model.eval().to(visit.device)
        batches = [batch for batch in BATCHES if batch * visit.scale <= BATCHES[-1]]
        rows += visit.while_time(
            f"sweep of {name}",
            (lambda b=b, m=model, n=name, s=shape: row(n, m, s, b) for b in batches),
        )
    return rows


@torch.inference_mode()
def launches(visit: Visit) -> list[dict]:
    """Kernels that one call starts, as PyTorch's profiler counts them, and its milliseconds."""

    def row(name: str) -> dict:
        model, shape = networks()[name]
        model, X = model.eval().to(visit.device), torch.rand(1, *shape, device=visit.device)
        model(X)
        kinds = [ProfilerActivity.CPU]
        kinds += [ProfilerActivity.CUDA] if visit.device.type == "cuda" else []
        with profile(activities=kinds) as seen:
            model(X)
            visit.synchronize()
        kernels = [e for e in seen.events() if str(e.device_type).endswith("CUDA")]
        return {
            "network": name, "kernels": len(kernels) if len(kinds) == 2 else None,
            "p50_ms": visit.right_ms(lambda: model(X)),
        }  # fmt: skip

    return visit.while_time("launches", (lambda n=n: row(n) for n in ("lenet5", "road_heavy")))


@torch.inference_mode()
def energy(visit: Visit) -> dict:
    """Joules of the heavy road network, where the device has a counter."""
    model, shape = networks()["road_heavy"]
    model, X = model.eval().to(visit.device), torch.rand(1, *shape, device=visit.device)
    ms, runs, start = visit.right_ms(lambda: model(X)), 0, visit.now_ms()
    with EnergyMeter(visit.device) as meter:
        while visit.now_ms() - start < 2000 / visit.scale:
            model(X)
            runs += 1
        visit.synchronize()
    joules = meter.joules
    return {"p50_ms": ms, "runs": runs, "joules_a_run": None if joules is None else joules / runs}
