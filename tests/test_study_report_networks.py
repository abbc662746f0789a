"""The study of edu.report finds a form that answers wrongly."""

import dataclasses

import pytest
import torch
from torch import nn

from edu_lib.layers import copied
from edu_lib.reporting import forms
from edu_lib.reporting.forms import Row
from studies import report_networks
from studies.report_references import references


def network() -> nn.Module:
    """Every kind of layer that a form changes, [N, 3, 12, 12] to [N, 10]; each answer varies."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(12, 40, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 10),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def made():
    """(network, inputs, a Judge of it, {name: form} of the forms that keep float32)."""
    model, X = network(), torch.randn(8, 3, 12, 12)
    found = {
        form.name: form.make(model, (X[:1],), (X,)).eval()
        for form in forms(False)
        if not form.needs_data
    }
    return model, X, report_networks.Judge(model, X), found


def test_each_form_answers_as_its_reference_does(made):
    model, X, judge, found = made
    assert references(model, X).keys() | {"float32"} == found.keys()
    for name, network in found.items():
        assert judge(network) < 0.1
        assert judge.nearest[-1] == name


def test_a_form_that_answers_wrongly_is_found(made):
    _, _, judge, found = made

    def verdict(name, network, file_difference=0.0):
        row = Row(name, file_bytes=1, quality=judge(network), file_difference=file_difference)
        return report_networks.is_right(row, {"reference": judge.nearest[-1]})

    assert verdict("separable", found["separable"])
    assert not verdict("low rank", found["separable"])
    assert not verdict("separable", found["separable"], file_difference=1.0)
    half = copied(found["channels x 0.5"])
    assert verdict("channels x 0.5", half)
    with torch.no_grad():
        half[-1].weight[:, [0, 1]] = half[-1].weight[:, [1, 0]]  # two channels wired crosswise
    assert not verdict("channels x 0.5", half)


def test_int8_is_held_against_memory_and_another_quantizer():
    def verdict(**figures):
        whole = {"difference": 3.0, "file_difference": 0.1, "quality": 3.0} | figures
        return report_networks.is_right(
            Row("int8", file_bytes=1, **whole), {"difference_of_onnxruntime": 2.0}
        )

    assert verdict()
    assert not verdict(difference=5.0)
    assert not verdict(file_difference=20.0)
    assert report_networks.is_right(Row("int8"), {}) is None
    assert report_networks.is_right(Row("float32, container", file_bytes=1, difference=0.0), {})


@pytest.mark.parametrize("crossed", [False, True])
def test_float64_tells_a_wrong_form_from_one_that_float32_cannot_judge(monkeypatch, crossed):
    model, X, form = network(), torch.randn(8, 3, 12, 12), "channels x 0.5"
    monkeypatch.setattr(report_networks, "network_of", lambda name: model)
    monkeypatch.setattr(report_networks, "pictures", lambda side, count, seed: X)
    right = next(each for each in forms(False) if each.name == form)

    def make(*arguments):
        half = right.make(*arguments)
        with torch.no_grad():
            half[-1].weight[:, [0, 1]] = half[-1].weight[:, [1, 0]]
        return half

    if crossed:
        found_forms = [dataclasses.replace(right, make=make)]
        monkeypatch.setattr(report_networks, "forms", lambda can_recover: found_forms)
    found = report_networks.conditioning("any", form)
    explained = report_networks.is_explained(form, {"file_difference": 1e-5}, found)
    assert explained != crossed


def test_rounding_explains_an_int8_form_up_to_what_it_moves(monkeypatch):
    X = torch.randn(8, 3, 12, 12)
    monkeypatch.setattr(report_networks, "network_of", lambda name: network())
    monkeypatch.setattr(report_networks, "pictures", lambda side, count, seed: X)
    found = report_networks.conditioning("any", "int8")
    assert found["rounding_moves"] < report_networks.ROUNDED  # a small network forgets one step

    def explained(**figures):
        whole = {"difference": 50.0, "difference_of_onnxruntime": 40.0, "file_difference": 19.0}
        return report_networks.is_explained("int8", whole | figures, {"rounding_moves": 20.0})

    assert explained()
    assert not explained(file_difference=21.0)
    assert not explained(difference=81.0)


def test_a_form_that_rounding_explains_is_not_counted_as_wrong():
    rows = {
        "right": {"made": True, "right": True},
        "explained": {"made": True, "right": False, "explained": True},
        "wrong": {"made": True, "right": False, "explained": False},
        "refused": {"made": False, "right": None},
        "not looked into": {"made": True, "right": False},
    }
    counts = {"networks": 1, "forms": 5, "made": 4, "explained": 1, "wrong": 2}
    assert report_networks.summary({"a network": rows}) == counts
