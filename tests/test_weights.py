"""Weights come back as they were saved, and nothing else is accepted."""

import pytest
import torch
from torch import nn

from edu_lib.models import LeNet5, LeNet300100
from edu_lib.weights import load_weights, save_weights


def test_weights_come_back_to_the_bit(tmp_path):
    torch.manual_seed(0)
    model = LeNet5()
    path = save_weights(model, "lenet", folder=tmp_path)
    other = load_weights(LeNet5(), "lenet", folder=tmp_path)
    assert path.name == "lenet.safetensors"
    assert not other.training
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert [file.name for file in tmp_path.iterdir()] == ["lenet.safetensors"]


def test_half_precision_halves_the_file_and_keeps_integers(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 64, 3), nn.BatchNorm2d(64))
    model(torch.rand(2, 8, 8, 8))
    full = save_weights(model, "full", folder=tmp_path).stat().st_size
    half = save_weights(model, "half", half=True, folder=tmp_path).stat().st_size
    assert half < 0.6 * full
    other = nn.Sequential(nn.Conv2d(8, 64, 3), nn.BatchNorm2d(64))
    load_weights(other, "half", folder=tmp_path)
    assert other[1].num_batches_tracked == 1
    assert other[0].weight.dtype == torch.float32
    torch.testing.assert_close(other[0].weight, model[0].weight, rtol=1e-3, atol=1e-4)


def test_unknown_weights_name_those_that_exist(tmp_path):
    save_weights(LeNet5(), "lenet", folder=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no weights named 'alexnet'.*lenet"):
        load_weights(LeNet5(), "alexnet", folder=tmp_path)


def test_weights_of_another_network_are_refused_and_nothing_is_changed(tmp_path):
    save_weights(LeNet5(), "lenet", folder=tmp_path)
    model = LeNet300100()
    before = model.fc1.weight.clone()
    with pytest.raises(ValueError, match="does not fit LeNet300100"):
        load_weights(model, "lenet", folder=tmp_path)
    assert torch.equal(model.fc1.weight, before)
    narrow = nn.Linear(3, 2)
    save_weights(nn.Linear(4, 2), "linear", folder=tmp_path)
    with pytest.raises(ValueError, match="does not fit Linear"):
        load_weights(narrow, "linear", folder=tmp_path)


def test_a_damaged_file_is_refused(tmp_path):
    path = save_weights(LeNet5(), "lenet", folder=tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged"):
        load_weights(LeNet5(), "lenet", folder=tmp_path)
