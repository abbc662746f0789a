"""edu.report on torchvision's networks: what it makes of each, and whether the answers are right.

    python3 -m studies.report_networks [NETWORK ...]

The weights are random, so that the figures say whether a form works, not how good it is; batch
norms are settled on small crops of photographs, and the mean answer is taken off, so that outputs
are what differs between pictures. Each form's file must answer as a second network does, which
studies.report_references makes another way. An int8 file must answer as the network of integers in
memory, and be about as near to float32 as the one that ONNX Runtime's quantizer makes of the same
network and pictures. A form that differs by more may be wrong, or of a network that rounding alone
moves so far: `conditioning` tells the two apart. Each finished network is kept. Writes
data/results/report_networks.json; some minutes a network, one core; it states no times, and may run
on a busy machine.
"""

import torch
import torchvision
from torch import Tensor, nn

import edu_lib as edu
from classroom.photographs import NAMES, as_input, random_crops
from edu_lib.deploy.qdq import rounding_scatter
from edu_lib.models.mobile import MEAN, STD
from edu_lib.reporting.forms import Row, compare_answers, forms, outputs_in_batches
from studies import frame
from studies.report_references import onnxruntime_int8, references

NAME = "report_networks"
SIDE, INPUTS, SETTLING = 64, 8, 24
SIDES = {"inception_v3": 128, "vit_b_32": 224, "maxvit_t": 224}
# without inception_v3: settling its norms runs its second answer, which wants 299 pixels a side
NETWORKS = (
    "squeezenet1_0", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "mnasnet0_5", "mnasnet1_0",
    "efficientnet_b0", "regnet_y_400mf", "regnet_x_400mf", "resnet18", "googlenet", "densenet121",
    "resnet34", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "efficientnet_v2_s", "alexnet",
    "convnext_tiny", "swin_t", "vgg11_bn", "vit_b_32", "maxvit_t",
)  # fmt: skip
WITH_AUX = ("googlenet", "inception_v3")
KEPT = ("params", "macs", "file_bytes", "same_answers", "difference", "file_difference")
# percent, of float32 added up in another order; between pictures a thinned network differs little
EXACT, EXACT_BETWEEN_PICTURES = 0.1, 1.0
# times as far from float32 as ONNX Runtime's int8 form: 7 bits have steps twice as large
CONTAINER = "float32, container"  # read back bit for bit, or wrong
LIKE_THEIRS = {"int8": 2.0, "int8, weights of 7 bits": 3.0}
ROUNDED = 10.0  # percent: integer kernels round a half either way, and a step early on grows
IN_FLOAT64 = 1e-3  # percent between pictures: what float32 cannot tell apart, float64 can


def pictures(side: int, count: int, seed: int) -> Tensor:
    """Crops of the kit's photographs, [count, 3, side, side]."""
    crops = random_crops(NAMES, count, seed)
    return torch.cat([as_input(crop.resize((side, side)), MEAN, STD) for crop in crops])


@torch.no_grad()
def network_of(name: str) -> nn.Module:
    """The network with seeded weights, whose answers differ from picture to picture."""
    torch.manual_seed(0)
    options = {"init_weights": True} if name in WITH_AUX else {}
    model = torchvision.models.get_model(name, weights=None, **options)
    X = pictures(SIDES.get(name, SIDE), SETTLING, seed=0)
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # its statistics are those of this one batch
    model.train()
    if norms:
        model(X)
    model.eval()
    last = [part for part in model.modules() if isinstance(part, nn.Conv2d | nn.Linear)][-1]
    last.bias -= model(X).mean(0)
    return model


class Judge:
    """A report's `quality`: how far a form's answers are from those of its nearest reference.

    In percent of what differs between pictures in the answers of the reference, so that a form
    that gives every picture the same answer is off by 100. nearest: the name of that reference,
    for each form that was judged.
    """

    def __init__(self, model: nn.Module, X: Tensor):
        self.X, self.nearest = X, []
        networks = {"float32": model, **references(model, X)}
        self.wanted = {
            name: outputs_in_batches(each, X, INPUTS)[0] for name, each in networks.items()
        }

    def __call__(self, network: nn.Module) -> float:
        got = outputs_in_batches(network, self.X, INPUTS)[0]
        off = {
            name: 100 * float((got - wanted).norm() / (wanted - wanted.mean(0)).norm())
            for name, wanted in self.wanted.items()
        }
        self.nearest.append(min(off, key=off.get))
        return off[self.nearest[-1]]


def tried(name: str) -> dict:
    """{form: its figures, how far it is from its reference, whether it is right, or the sentence}.

    right: None where nothing was made.
    """
    model = network_of(name)
    X = pictures(SIDES.get(name, SIDE), INPUTS, seed=1)
    judge = Judge(model, X)
    y, theirs = judge.wanted["float32"], onnxruntime_int8(model, X)
    of_theirs, _ = compare_answers([theirs], [y])
    found = edu.report(model, X[:1], data=X, quality=judge, progress=False)
    nearest, forms = iter(judge.nearest), {}
    for row in found.rows:
        if row.ms is not None and row.params is None:
            continue  # the same network, timed in PyTorch
        figures = {key: getattr(row, key) for key in KEPT} | {"note": row.note}
        figures["made"] = row.file_bytes is not None
        if row.quality is not None:
            figures |= {"reference": next(nearest), "off_reference": row.quality}
        if row.name in LIKE_THEIRS:
            figures["difference_of_onnxruntime"] = of_theirs
        forms[row.name] = figures | {"right": is_right(row, figures)}
    return forms


def is_right(row: Row, figures: dict) -> bool | None:
    """Whether the answers of a form are those of its reference; None if it was not made."""
    if row.file_bytes is None:
        return None
    if row.quality is None:  # the container, which is read back
        return row.difference == 0
    if row.name in LIKE_THEIRS:
        as_near = row.difference <= LIKE_THEIRS[row.name] * figures["difference_of_onnxruntime"]
        return as_near and row.file_difference <= ROUNDED
    exact = row.quality <= EXACT_BETWEEN_PICTURES and row.file_difference <= EXACT
    return figures["reference"] == row.name and exact


def conditioning(name: str, form: str) -> dict:
    """How far rounding alone moves a form that is off: whether its network is to blame.

    An int8 form: percent by which its answers move if halves go to the other side. Any other: how
    far it is from its reference where both compute in float64, in percent of what differs between
    pictures.
    """
    model = network_of(name)
    X = pictures(SIDES.get(name, SIDE), INPUTS, seed=1)
    made = next(each for each in forms(False) if each.name == form).make(model, (X[:1],), (X,))
    if form in LIKE_THEIRS:
        return {"rounding_moves": 100 * rounding_scatter(made, X)}
    with torch.no_grad():
        got, wanted = (
            each.double().eval()(X.double()) for each in (made, references(model, X)[form])
        )
    off = (got - wanted).norm() / (wanted - wanted.mean(0)).norm()
    return {"off_in_float64": 100 * float(off)}


def is_explained(form: str, figures: dict, found: dict) -> bool:
    """Whether a form that is off is so by rounding alone; found: what `conditioning` gave."""
    if form not in LIKE_THEIRS:
        return found["off_in_float64"] <= IN_FLOAT64 and figures["file_difference"] <= EXACT
    as_near = figures["difference"] <= LIKE_THEIRS[form] * figures["difference_of_onnxruntime"]
    return as_near and figures["file_difference"] <= found["rounding_moves"]


def explain(name: str, rows: dict[str, dict]) -> None:
    """Adds to each form that is off how far rounding moves it, and whether that explains it."""
    for form, row in rows.items():
        if row["made"] and not row["right"] and form != CONTAINER:
            run = f"{name}_{form.replace(', ', '_').replace(' ', '_')}"
            asked = {run: {"name": name, "form": form}}
            found = frame.run_all(conditioning, asked, NAME)[run]
            row |= found | {"explained": is_explained(form, row, found)}


def summary(networks: dict[str, dict]) -> dict:
    """How many networks and forms there are, how many were made, and how many answer wrongly.

    explained: forms that are off by no more than rounding moves them; they are not wrong.
    """
    rows = [row for forms in networks.values() for row in forms.values()]
    made = [row for row in rows if row["made"]]
    off = [row for row in made if not row["right"]]
    explained = sum(row.get("explained", False) for row in off)
    counts = {"networks": len(networks), "forms": len(rows), "made": len(made)}
    return counts | {"explained": explained, "wrong": len(off) - explained}


def main() -> None:
    """Report on the networks that are asked for; the result file is written after each."""
    networks = {"nargs": "*", "default": list(NETWORKS), "help": ", ".join(NETWORKS)}
    chosen = frame.options(__doc__, {"networks": networks})
    figures = {key: value for key, value in frame.stored_result(NAME).items() if key in NETWORKS}
    for name in chosen.networks:
        run = {name: {"name": name}}
        figures |= frame.run_all(tried, run, NAME, again=chosen.again)
        explain(name, figures[name])
        edu.save_result(NAME, {"summary": summary(figures), **figures}, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
