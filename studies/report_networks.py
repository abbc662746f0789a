"""edu.report on torchvision's classification networks: what it makes of each, and what it cannot.

    python3 -m studies.report_networks [NETWORK ...]

The networks have random weights, batch norms of some noise, and small inputs, so that the figures
say whether a form works, not how good or how fast it is. Each finished network is kept. Writes
data/results/report_networks.json; a minute or two a network, one core.
"""

import torch
import torchvision
from torch import nn

import edu_lib as edu
from studies import frame

NAME = "report_networks"
SIDE, INPUTS = 64, 8
SIDES = {"inception_v3": 96, "alexnet": 64, "vit_b_16": 224, "maxvit_t": 224}
NETWORKS = (
    "alexnet", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "mnasnet0_5", "mnasnet1_0", "efficientnet_b0",
    "efficientnet_v2_s", "regnet_y_400mf", "regnet_x_400mf", "resnet18", "resnet34", "resnet50",
    "resnext50_32x4d", "wide_resnet50_2", "googlenet", "inception_v3", "densenet121",
    "convnext_tiny", "vgg11_bn", "swin_t",
)  # fmt: skip


def network_of(name: str) -> nn.Module:
    """The network with seeded weights, its batch norms settled on noise."""
    torch.manual_seed(0)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **options)
    side = SIDES.get(name, SIDE)
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(4, 3, side, side))
    return model.eval()


def tried(name: str) -> dict:
    """The rows of the report: figures, and for what failed the sentence."""
    model, side = network_of(name), SIDES.get(name, SIDE)
    X = torch.randn(INPUTS, 3, side, side, generator=torch.Generator().manual_seed(1))
    found = edu.report(model, X[:1], data=X, progress=False)
    kept = ("params", "macs", "file_bytes", "same_answers", "difference", "note")
    return {row.name: {key: getattr(row, key) for key in kept} for row in found.rows}


def main() -> None:
    """Report on the networks that are asked for; the result file is written after each."""
    networks = {"nargs": "*", "default": list(NETWORKS), "help": ", ".join(NETWORKS)}
    chosen = frame.options(__doc__, {"networks": networks})
    figures = {key: value for key, value in frame.stored_result(NAME).items() if key in NETWORKS}
    for name in chosen.networks:
        run = {name: {"name": name}}
        figures |= frame.run_all(tried, run, NAME, again=chosen.again)
        edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
