"""Does a damaged file say so? Mutated containers, by the hundred thousand.

    python3 -m studies.container_fuzz

Files of five small networks are cut, flipped, spliced and lengthened; the fifth is of a class that
is not the kit's, and is loaded into a fresh network of it. In one of 8 the checksum
is made anew, as someone who means harm would: then the content itself must be refused, or be some
network. Counted: crashes (anything raised but a ValueError), hangs (more than 10 seconds of
processor time), and wrong models (a file that loads as another network although its checksum was
not made anew). Takes about three minutes. Writes data/results/container_fuzz.json.
"""

import argparse
import random
import time
import traceback
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from edu_lib.deploy import container
from edu_lib.deploy.container.stream import HEADER_BYTES, MAGIC, checksum
from edu_lib.measure.results import RESULTS_FOLDER, save_result
from edu_lib.models import LeNet5Caffe, SmallAlexNet
from edu_lib.techniques.factorization import factor
from edu_lib.techniques.pruning import prune_channels
from studies import frame

NAME = "container_fuzz"
HANG_SECONDS = 10.0
SHARE_REMADE = 1 / 8


def seed_files() -> list[bytes]:
    """Levels by contexts, Huffman's code, a deflated tail, factored layers, another class."""
    torch.manual_seed(0)
    X = torch.zeros(1, 1, 28, 28)
    small = prune_channels(LeNet5Caffe().eval(), X, ratio=0.95)
    levels = {
        name: container.Levels.of(each, each.abs().max() / 2)
        for name, each in small.state_dict().items()
    }
    other = SmallAlexNet(width=2, depth=2).eval()
    coarse = {
        name: container.Codebook.of((8 * each).round() / 8)
        for name, each in other.state_dict().items()
    }
    arguments = {"width": 2, "depth": 2}
    return [
        container.dumps(small, tensors=levels),
        container.dumps(other, arguments=arguments, tensors=coarse, method="huffman"),
        container.dumps(other, arguments=arguments, tensors=coarse, method="deflate"),
        container.dumps(factor(other, 2), arguments=arguments),
        container.dumps(own_network(), example_input=torch.zeros(1, 1, 8, 8)),
    ]


def own_network() -> nn.Module:
    """A network that the container knows by its tensors and its answers alone."""
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3)
    ).eval()


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The bytes with one to three changes of one kind."""
    content = bytearray(data)
    kind = rng.choice(("flip", "byte", "cut", "drop", "insert", "splice", "head", "repeat"))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(content)) if content else 0
        end = min(len(content), at + rng.randint(1, 32))
        if kind == "flip" and content:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == "byte" and content:
            content[at] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
        elif kind == "head" and content:
            content[rng.randrange(min(len(content), 14))] = rng.randrange(256)
        elif kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at:end]
        elif kind == "insert":
            content[at:at] = rng.randbytes(rng.randint(1, 32))
        elif kind == "splice":
            content[at:] = rng.choice(others)[at:]
        elif kind == "repeat":
            content[at:at] = content[at:end]
    return bytes(content)


def with_checksum(data: bytes) -> bytes:
    """The bytes with a first byte and a checksum that fit."""
    data = bytes([MAGIC]) + data[1:].ljust(HEADER_BYTES - 1, b"\0")
    return data[:2] + checksum(data[:2] + data[HEADER_BYTES:]) + data[HEADER_BYTES:]


def try_one(
    data: bytes, originals: list[bytes], remade: bool, into: nn.Module | None = None
) -> str:
    """What became of one file: "refused", "loaded", "crash", "hang" or "wrong_model"."""
    start = time.process_time()
    try:
        container.loads(data, into)
        outcome = "loaded"
    except ValueError:
        outcome = "refused"
    except Exception:
        traceback.print_exc()
        outcome = "crash"
    if time.process_time() - start > HANG_SECONDS:
        return "hang"
    if outcome == "loaded" and not remade and data not in originals:
        return "wrong_model"
    return outcome


def run(trials: int, seed: int) -> dict:
    """The figures of so many trials."""
    rng, files, outcomes = random.Random(seed), seed_files(), Counter()
    num_remade = 0
    for _ in tqdm(range(trials), desc="files", mininterval=5):
        source = rng.choice(files)
        data = mutated(source, files, rng)
        remade = rng.random() < SHARE_REMADE
        if remade:
            data = with_checksum(data)
            num_remade += 1
        into = own_network() if source is files[-1] else None
        outcomes["remade " * remade + try_one(data, files, remade, into)] += 1
    return {
        "trials": trials,
        "crashes": outcomes["crash"] + outcomes["remade crash"],
        "hangs": outcomes["hang"] + outcomes["remade hang"],
        "wrong_models": outcomes["wrong_model"],
        "refused": outcomes["refused"] + outcomes["remade refused"],
        "unchanged": outcomes["loaded"],
        "checksum_remade": num_remade,
        "remade_loaded": outcomes["remade loaded"],
        "file_bytes": [len(data) for data in files],
        "seed": seed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=RESULTS_FOLDER, help="where the result goes")
    arguments = parser.parse_args()
    if arguments.trials < 1:
        parser.error("--trials must be 1 or more")
    torch.set_num_threads(1)
    figures = run(arguments.trials, arguments.seed)
    command = f"python3 -m studies.{NAME} --trials {arguments.trials} --seed {arguments.seed}"
    path = save_result(NAME, figures, command, arguments.folder)
    print(f"{figures}, written to {path}")


if __name__ == "__main__":
    frame.start(main)
