"""Int8 for thin networks: what each part of the recipe brings, and two peers on the same inputs.

    python3 -m studies.edge_quantization [NETWORK ...]

EfficientNet-Lite0 with its ImageNet weights on crops of photographs, and two small networks with
ReLU6 and with hard swish on clothes. Each quantizer sees the same 64 inputs, three times others;
the crops that judge come from photographs that calibration did not see. Judged is how often the
int8 file answers as the float32 network does, and how far its logits are from the other's, in ONNX
Runtime with exact sums. Writes data/results/edge_quantization.json; an hour, one core. NNCF
stands in requirements-extra.txt.
"""

import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from torch import Tensor, nn

import edu_lib as edu
from classroom.photographs import NAMES, as_input, random_crops
from edu_lib.deploy import export_int8, export_onnx, run_onnx, session
from edu_lib.models.mobile import MEAN, STD, efficientnet_lite0_imagenet
from edu_lib.techniques.factorization.blocks import InvertedResidual, conv_norm
from edu_lib.techniques.quantization import equalize, quantize_static
from studies import frame
from studies.int8 import quantize_with_onnxruntime

NAME = "edge_quantization"
CALIBRATION_INPUTS, JUDGED_CROPS, JUDGED_CLOTHES, BATCH_SIZE = 64, 360, 2_000, 20
DRAWS = 3
PLAIN, RECIPE, ONNXRUNTIME, NNCF = "minmax", "accurate", "onnxruntime", "nncf"
IN_ALL_DRAWS = (PLAIN, RECIPE, "mse_bias", ONNXRUNTIME, NNCF)
# one part after the other, on the first draw alone
PARTS = ("minmax_per_layer", "minmax_bias", "percentile", "mse", "equalized_accurate")


def inputs_of(network: str, draw: int) -> tuple[Tensor, Tensor]:
    """(inputs to calibrate with, inputs to judge with), [N, C, H, W] each."""
    if network != "efficientnet_lite0":
        clothes = edu.fashion_mnist()
        first = draw * CALIBRATION_INPUTS
        calibration = clothes.fit.X[first : first + CALIBRATION_INPUTS].float()
        return calibration, clothes.test.X[:JUDGED_CLOTHES].float()
    seen = NAMES[draw::DRAWS]
    unseen = [name for name in NAMES if name not in seen]
    pictures = (
        random_crops(seen, CALIBRATION_INPUTS, seed=draw),
        random_crops(unseen, JUDGED_CROPS, seed=DRAWS + draw),
    )
    return tuple(torch.cat([as_input(each, MEAN, STD) for each in crops]) for crops in pictures)


def small_network(activation: type[nn.Module], squeeze_excite: bool) -> nn.Module:
    """Four inverted residuals for clothes [N, 1, 28, 28], untrained."""
    torch.manual_seed(0)
    options = {"activation": activation, "squeeze_excite": squeeze_excite}
    return nn.Sequential(
        conv_norm(1, 16, stride=2, activation=activation),
        InvertedResidual(16, 24, **options),
        InvertedResidual(24, 24, **options),
        InvertedResidual(24, 40, stride=2, **options),
        InvertedResidual(40, 40, **options),
        conv_norm(40, 160, 1, activation=activation),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(160, 10),
    )


def trained(name: str, model: nn.Module) -> nn.Module:
    """The network after three epochs on clothes; its weights are kept."""
    folder = frame.CACHE_FOLDER / NAME
    if not (folder / f"{name}.safetensors").exists():
        fit = edu.fashion_mnist().fit
        edu.fit(model, fit.X[:20_000], fit.y[:20_000], num_epochs=3, lr=5e-3, progress=False)
        edu.save_weights(model, name, folder=folder)
    return edu.load_weights(model, name, folder)


NETWORKS = {
    "efficientnet_lite0": efficientnet_lite0_imagenet,
    "relu6": lambda: trained("relu6", small_network(nn.ReLU6, False)),
    "hard_swish": lambda: trained("hard_swish", small_network(nn.Hardswish, True)),
}


def ours(model: nn.Module, calibration: Tensor, form: str, path: Path) -> None:
    """The network by one form of the kit's quantizer, as a file."""
    if form.startswith("equalized"):
        model = equalize(model, calibration[:2])
    observer = form.partition("_")[0]
    quantized = quantize_static(
        model,
        calibration,
        observer=observer if observer in ("minmax", "percentile", "mse") else "minmax",
        correct_bias=form.endswith("bias"),
        accurate=form.endswith(RECIPE),
        per_channel=not form.endswith("per_layer"),
    )
    export_int8(quantized, calibration[:1], path)


def quantize_with_nncf(source: Path, calibration: Tensor, path: Path) -> None:
    """NNCF's post-training quantization with its defaults for such networks (preset "mixed")."""
    import nncf
    import onnx

    items = [{"X": X.numpy()} for X in calibration.split(1)]
    quantized = nncf.quantize(
        onnx.load(source),
        nncf.Dataset(items),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(items),
    )
    onnx.save(quantized, path)


def judge(network: str, draw: int, form: str) -> dict:
    """Percent of answers as in float32, and how far the logits are, in percent of their size."""
    model = NETWORKS[network]()
    calibration, judged = inputs_of(network, draw)
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        export_onnx(model, calibration[:1], source)
        if form == ONNXRUNTIME:
            quantize_with_onnxruntime(source, calibration, path)
        elif form == NNCF:
            quantize_with_nncf(source, calibration, path)
        else:
            ours(model, calibration, form, path)
        wanted, got = (answers(each, judged) for each in (source, path))
    return {
        "agreement_percent": 100 * float((got.argmax(1) == wanted.argmax(1)).mean()),
        "logit_distance_percent": 100
        * float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)),
    }


def yardstick(draw: int) -> dict:
    """The float EfficientNet-Lite0 beside itself, each pixel one level of 255 off or none.

    Close calls turn over at less than the eye sees: what agreement is worth on such crops.
    """
    model, (_, judged) = NETWORKS["efficientnet_lite0"](), inputs_of("efficientnet_lite0", draw)
    generator = torch.Generator().manual_seed(draw)
    levels = torch.randint(-1, 2, judged.shape, generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(model, judged[:1], Path(folder) / "float.onnx")
        wanted, got = (answers(path, X) for X in (judged, judged + levels / (255 * STD[0])))
    return {"agreement_percent": 100 * float((got.argmax(1) == wanted.argmax(1)).mean())}


def answers(path: Path, X: Tensor) -> np.ndarray:
    """The logits of a file, [N, classes]."""
    opened = session(path)
    return np.concatenate([run_onnx(opened, each) for each in X.split(BATCH_SIZE)])


def summary(rows: dict[str, dict]) -> dict:
    """Means over the draws, with their scatter."""
    figures: dict[str, object] = {"draws": len(rows)}
    for key in next(iter(rows.values())):
        values = [row[key] for row in rows.values()]
        figures[key] = mean(values)
        figures[f"{key}_each"] = values
        if len(values) > 1:
            figures[f"{key}_sd"] = stdev(values)
    return figures


def figures_of(function: Callable[..., dict], runs: dict, chosen: Namespace) -> dict[str, dict]:
    """{name: figures} of the runs; with --finished of those that are stored."""
    if chosen.finished:
        return frame.finished(function, runs, NAME)
    return frame.run_all(function, runs, NAME, again=chosen.again)


def main() -> None:
    """Judge the networks that are asked for; the result file is written after each."""
    networks = {"nargs": "*", "default": list(NETWORKS), "help": ", ".join(NETWORKS)}
    more = {"--finished": {"action": "store_true", "help": "write what is stored, run nothing"}}
    chosen = frame.options(__doc__, {"networks": networks} | more)
    figures = {key: value for key, value in frame.stored_result(NAME).items() if key in NETWORKS}
    for network in chosen.networks:
        forms = [(form, draw) for draw in range(DRAWS) for form in IN_ALL_DRAWS]
        forms += [(form, 0) for form in PARTS]
        runs = {
            f"{network}_{form}_{draw}": {"network": network, "draw": draw, "form": form}
            for form, draw in forms
        }
        found = figures_of(judge, runs, chosen)
        if not found:
            continue
        rows: dict[str, dict] = {}
        for name, figures_of_run in found.items():
            rows.setdefault(runs[name]["form"], {})[name] = figures_of_run
        counted = {
            "calibration_inputs": CALIBRATION_INPUTS,
            "judged": len(inputs_of(network, 0)[1]),
        }
        figures[network] = counted | {form: summary(each) for form, each in rows.items()}
        if network == "efficientnet_lite0":
            noisy = {f"{network}_noise_{draw}": {"draw": draw} for draw in range(DRAWS)}
            if noise := figures_of(yardstick, noisy, chosen):
                figures[network]["noise"] = summary(noise)
        edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
