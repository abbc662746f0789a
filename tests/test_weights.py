"""Weights come back as they were saved, and nothing else is accepted."""

import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
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


def test_numbers_too_large_for_half_precision_stay_whole(tmp_path):
    model = nn.BatchNorm2d(3)
    model.running_var.copy_(torch.tensor([1.0, 65504.0, 1e5]))
    model.running_mean.fill_(65504.0)
    path = save_weights(model, "half", half=True, folder=tmp_path)
    other = load_weights(nn.BatchNorm2d(3), "half", folder=tmp_path)
    assert torch.equal(other.running_var, model.running_var)
    assert torch.equal(other.running_mean, model.running_mean)
    assert load_file(path)["running_mean"].dtype == torch.float16


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


def test_a_pruned_network_comes_back_into_a_whole_one_if_asked(tmp_path):
    small = LeNet300100()
    small.fc1, small.fc2 = nn.Linear(784, 30), nn.Linear(30, 100)
    save_weights(small, "small", folder=tmp_path)
    with pytest.raises(ValueError, match=r"'fc1.weight' has shape \[30, 784\].*resize=True"):
        load_weights(LeNet300100(), "small", folder=tmp_path)
    again = load_weights(LeNet300100(), "small", folder=tmp_path, resize=True)
    assert (again.fc1.out_features, again.fc2.in_features) == (30, 30)
    X = torch.rand(2, 1, 28, 28)
    assert torch.equal(again(X), small.eval()(X))


@pytest.mark.parametrize(
    ("small", "whole"),
    [
        (nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(8, 8, 3, groups=8)),
        (nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 16, 3, groups=8)),
        (nn.Conv1d(4, 6, 3, groups=2), nn.Conv1d(8, 8, 3, groups=2)),
        (nn.ConvTranspose2d(4, 6, 2), nn.ConvTranspose2d(8, 8, 2)),
        (nn.BatchNorm2d(4), nn.BatchNorm2d(8)),
        (nn.LayerNorm(4), nn.LayerNorm(8)),
    ],
)
def test_every_kind_of_layer_takes_the_size_in_the_file(small, whole, tmp_path):
    save_weights(small, "layer", folder=tmp_path)
    again = load_weights(whole, "layer", folder=tmp_path, resize=True)
    assert repr(again) == repr(small)
    for name, value in small.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_a_layer_whose_size_cannot_be_read_is_refused(tmp_path):
    save_weights(nn.LSTM(4, 4), "lstm", folder=tmp_path)
    with pytest.raises(ValueError, match="LSTM, cannot be resized"):
        load_weights(nn.LSTM(8, 8), "lstm", folder=tmp_path, resize=True)


def test_tied_weights_are_saved_and_stay_tied(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    save_weights(model, "tied", folder=tmp_path)
    other = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    load_weights(other, "tied", folder=tmp_path)
    assert torch.equal(other[1].weight, model[0].weight)
    other[1].weight = other[0].weight
    load_weights(other, "tied", folder=tmp_path)
    assert other[1].weight is other[0].weight
    save_weights(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), "two", folder=tmp_path)
    with pytest.raises(ValueError, match="the network shares one tensor"):
        load_weights(other, "two", folder=tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_others_can_read_what_one_saved(tmp_path):
    mask = os.umask(0o022)
    try:
        path = save_weights(LeNet5(), "lenet", folder=tmp_path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_an_interrupted_save_writes_under_a_name_that_git_ignores(tmp_path, monkeypatch):
    seen = []

    def interrupted(path, content):
        seen.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_weights(LeNet5(), "lenet", folder=tmp_path)
    assert seen[0].name.endswith(".partial")
    assert list(tmp_path.iterdir()) == []


def test_without_a_data_folder_it_says_where_data_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="set THIRTY_FRAMES_DATA"):
        load_weights(LeNet5(), "lenet5", folder=tmp_path / "data" / "weights")
