"""What Deep Compression promises, counted by hand on a network of eight weights."""

import pytest
import torch
from torch import nn

from studies.deep_compression import (
    PLANS,
    huffman_bytes,
    shared_bytes,
    sparse_bytes,
    summary,
    whole_bytes,
)


@pytest.fixture
def model():
    network = nn.Sequential(nn.Linear(40, 2))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 3], network[0].weight[0, 4] = 0.5, 0.5
        network[0].weight[1, 10] = -0.25  # 45 zeros after the second: one filler
    return network


def test_promises_are_those_of_the_paper(model):
    biases = 2 * 4
    assert whole_bytes(model) == 82 * 4
    # three weights and a filler, each with a gap of 5 bits
    assert sparse_bytes(model) == 4 * (32 + 5) / 8 + biases
    assert shared_bytes(model, {"0": 6}) == 4 * (6 + 5) / 8 + 2 * 4 + biases
    # gaps 3, 0, 31, 13: four words of 2 bits; codes 1, 1, 0, -1: words of 1, 1, 2 and 2 bits
    assert huffman_bytes(model) == (4 * 2 + 6) / 8 + 2 * 4 + biases


def test_the_summary_is_of_all_seeds():
    runs = [
        [
            {"step": "train", "error": 1.0 + seed, "promised_bytes": 1000, "bytes": 900},
            {"step": "prune", "error": 2.0 + seed, "promised_bytes": 90, "bytes": 100 + 50 * seed},
        ]
        for seed in (0, 1)
    ]
    steps = summary(PLANS["lenet_caffe"], runs)["steps"]
    assert steps[1]["error"] == 2.5
    assert steps[1]["error_worst"] == 3.0
    assert steps[1]["times_smaller"] == 1000 / 125
    assert set(PLANS["lenet_caffe"].shares) == set(PLANS["lenet_caffe"].bits)
