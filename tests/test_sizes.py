"""Stored tensors go into a network of any class, also one that asks which version it was."""

import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import container
from edu_lib.techniques.rate_distortion import RateDistortion


class Versioned(nn.Module):
    """Refuses a state without a version, as torchvision's MNASNet does. [N, 4] to [N, 2]."""

    _version = 2

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, X):
        return self.layer(X)

    def _load_from_state_dict(self, state, prefix, metadata, *rest):
        if metadata.get("version") != 2:
            raise ValueError(f"version should be 2 instead of {metadata.get('version')}")
        super()._load_from_state_dict(state, prefix, metadata, *rest)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Versioned()


def test_a_container_gives_back_a_network_that_asks_for_its_version(model, tmp_path):
    X = torch.rand(3, 4)
    file = container.save(model, tmp_path / "network.30f", example_input=X)
    assert torch.equal(container.load(file, into=Versioned())(X), model(X))


def test_its_training_goes_on_after_an_interrupt(model, tmp_path):
    X, y = torch.rand(64, 4), torch.randint(2, (64,))
    options = {"batch_size": 32, "progress": False, "checkpoint": tmp_path / "state.safetensors"}
    edu.fit(model, X, y, num_epochs=1, **options)
    again = Versioned()
    edu.fit(again, X, y, num_epochs=1, **options)
    assert torch.equal(again.layer.weight, model.layer.weight)


def test_it_comes_out_of_a_wrapper_that_rounds_its_weights(model):
    wrapped = RateDistortion(model)
    plain, levels = wrapped.plain_layer(), wrapped.levels()
    for name, weight in plain.named_parameters():
        whole, step = levels[name]
        assert torch.equal(weight, whole * step)
