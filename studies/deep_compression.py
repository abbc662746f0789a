"""Deep Compression, step by step: what each step promises, and what the file weighs.

    python3 -m studies.deep_compression

After Han, Mao, Dally 2016 on LeNet-300-100 and LeNet-5-Caffe: train, prune each layer to the share
of the paper's tables 2 and 3, share weights among 2^bits values and train those, code. After each
step the network is written to a container, read back, and its 10,000 answers must be those in
memory. Learning rates and numbers of epochs were chosen on validation images; the test set is read
after each step once a seed. Takes 10 minutes on one core; finished seeds are kept in data/runs,
so a study goes on.
"""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import mean
from typing import NamedTuple

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.data import Dataset
from edu_lib.deploy import container
from edu_lib.models.lenet import LeNet5Caffe, LeNet300100
from edu_lib.techniques.entropy_coding import HuffmanCode, levels_bits, to_gaps
from edu_lib.techniques.pruning import prune
from edu_lib.techniques.weight_sharing import share_weights
from studies import frame

NAME = "deep_compression"
ADAM = partial(torch.optim.Adam, fused=True)
GAP_BITS = 5  # of a relative position: the paper's tables 2 and 3
PRUNE_STEPS = 3


class Plan(NamedTuple):
    """How one network is compressed. shares: of the weights that stay, by layer."""

    make: Callable[[], nn.Module]
    shares: Mapping[str, float]
    bits: Mapping[str, int]
    train: Mapping[str, float]
    recover: Mapping[str, float]
    tune: Mapping[str, float]
    seeds: int


PLANS = {
    "lenet_300_100": Plan(
        LeNet300100,
        {"fc1": 0.08, "fc2": 0.09, "fc3": 0.26},
        {"fc1": 6, "fc2": 6, "fc3": 6},
        {"num_epochs": 10, "batch_size": 256, "lr": 4e-3, "weight_decay": 1e-4},
        {"num_epochs": 6, "batch_size": 256, "lr": 2e-3, "weight_decay": 3e-5},
        {"num_epochs": 2, "batch_size": 256, "lr": 5e-4, "weight_decay": 0.0},
        seeds=3,
    ),
    "lenet_caffe": Plan(
        LeNet5Caffe,
        {"conv1": 0.66, "conv2": 0.12, "fc1": 0.08, "fc2": 0.19},
        {"conv1": 8, "conv2": 8, "fc1": 5, "fc2": 5},
        {"num_epochs": 5, "batch_size": 256, "lr": 3e-3, "weight_decay": 1e-4},
        {"num_epochs": 1, "batch_size": 256, "lr": 2e-3, "weight_decay": 3e-5},
        {"num_epochs": 1, "batch_size": 256, "lr": 3e-4, "weight_decay": 0.0},
        seeds=1,
    ),
}


def run(plan: Plan, data: Dataset, seed: int) -> list[dict]:
    """All steps of one seed: error on the test images, promised and weighed bytes."""
    fit = partial(
        edu.fit, X=data.fit.X, y=data.fit.y, optimizer=ADAM, device="cpu", progress=False, seed=seed
    )
    torch.manual_seed(seed)
    model = plan.make()
    fit(model, **plan.train)
    rows = [weigh("train", model, whole_bytes(model), data)]
    for step in range(1, PRUNE_STEPS + 1):
        # each step prunes the same share of what is left
        sparsities = {name: 1 - s ** (step / PRUNE_STEPS) for name, s in plan.shares.items()}
        model = prune(model, sparsities)
        fit(model, **plan.recover)
    model = edu.to_plain(model)
    rows.append(weigh("prune", model, sparse_bytes(model), data))
    shared = share_weights(model, {name: 2**bits for name, bits in plan.bits.items()})
    untrained = edu.evaluate(edu.to_plain(shared), data.test.X, data.test.y).error
    fit(shared, **plan.tune)
    model = edu.to_plain(shared)
    for step, method, promised in (
        ("share", "deflate", shared_bytes(model, plan.bits)),
        ("huffman", "huffman", huffman_bytes(model)),
        ("context", "context", context_bytes(model)),
    ):
        codes = {f"{n}.weight": container.Codebook.of(w) for n, w in weights_of(model).items()}
        rows.append(weigh(step, model, promised, data, method=method, tensors=codes))
    rows[2]["error_before_training_centroids"] = untrained
    return rows


def weigh(
    step: str, model: nn.Module, promised: float, data: Dataset, **how_to_store: object
) -> dict:
    """One row of a step. Raises AssertionError if the file answers otherwise than the network."""
    content = container.dumps(model, **how_to_store)
    again = container.loads(content)
    with torch.no_grad():
        own, read = (answers(network, data.test.X) for network in (model.eval(), again))
    assert torch.equal(own, read), f"{step}: the file answers otherwise"
    return {
        "step": step,
        "error": edu.evaluate(model, data.test.X, data.test.y).error,
        "promised_bytes": round(promised),
        "bytes": len(content),
    }


def answers(model: nn.Module, X: Tensor) -> Tensor:
    return torch.cat([model(batch).argmax(1) for batch in X.split(1000)])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {
        name.removesuffix(".weight"): weight
        for name, weight in model.state_dict().items()
        if weight.dim() > 1
    }


def whole_bytes(model: nn.Module) -> float:
    """4 bytes a parameter."""
    return 4 * sum(parameter.numel() for parameter in model.parameters())


def bias_bytes(model: nn.Module) -> float:
    return 4 * sum(each.numel() for each in model.parameters() if each.dim() < 2)


def sparse_bytes(model: nn.Module) -> float:
    """4 bytes for each entry that stays and GAP_BITS for its place."""
    entries = sum(len(to_gaps(w, GAP_BITS).gaps) for w in weights_of(model).values())
    return entries * (32 + GAP_BITS) / 8 + bias_bytes(model)


def shared_bytes(model: nn.Module, bits: Mapping[str, int]) -> float:
    """A code and a place for each entry, and the codebooks."""
    total = bias_bytes(model)
    for name, weight in weights_of(model).items():
        entries = len(to_gaps(weight, GAP_BITS).gaps)
        total += entries * (bits[name] + GAP_BITS) / 8 + 4 * num_values(weight)
    return total


def huffman_bytes(model: nn.Module) -> float:
    """Huffman's bits for codes and places, their tables left out, and the codebooks."""
    total = bias_bytes(model)
    for weight in weights_of(model).values():
        codes = container.Codebook.of(weight).signed_ranks()[0].long()
        gaps, codes = to_gaps(codes, GAP_BITS)
        for symbols in (gaps, codes - codes.min()):
            counts = symbols.bincount().tolist()
            total += HuffmanCode.of(counts).num_bits(counts) / 8
        total += 4 * num_values(weight)
    return total


def context_bytes(model: nn.Module) -> float:
    """The range coder's bits for the codes by what their contexts say, and the codebooks."""
    total = bias_bytes(model)
    for weight in weights_of(model).values():
        ranks = container.Codebook.of(weight).signed_ranks()[0]
        total += levels_bits(ranks) / 8 + 4 * num_values(weight)
    return total


def num_values(weight: Tensor) -> int:
    return len(weight[weight != 0].unique())


def summary(plan: Plan, runs: list[list[dict]]) -> dict:
    """Means over the seeds of every step."""
    rows = []
    for each in zip(*runs, strict=True):
        row = {"step": each[0]["step"]}
        row |= {key: mean(one[key] for one in each) for key in each[0] if key != "step"}
        row["error_worst"] = max(one["error"] for one in each)
        row["times_smaller"] = rows[0]["promised_bytes"] / row["bytes"] if rows else 1.0
        rows.append(row)
    return {
        "seeds": len(runs),
        "shares": plan.shares,
        "bits": plan.bits,
        "recipe": {"train": plan.train, "recover": plan.recover, "tune_centroids": plan.tune},
        "steps": rows,
        "runs": runs,
    }


def rows_of(name: str, seed: int) -> dict[str, list[dict]]:
    """One seed of a network, as the frame keeps it."""
    return {"rows": run(PLANS[name], edu.mnist(), seed)}


def main() -> None:
    """All seeds of both networks, then the result file."""
    again, figures = frame.options(__doc__).again, {}
    for name, plan in PLANS.items():
        names = {f"{name}_seed{seed}": {"name": name, "seed": seed} for seed in range(plan.seeds)}
        runs = frame.run_all(rows_of, names, NAME, again=again)
        figures[name] = summary(plan, [each["rows"] for each in runs.values()])
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
