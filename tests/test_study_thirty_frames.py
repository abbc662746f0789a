"""The finale's study on a plan that takes seconds: every step, its files, and the summary."""

import numpy as np
import pytest
import torch

import edu_lib as edu
from edu_lib.deploy.integer import IntegerNetwork
from studies import thirty_frames, thirty_frames_steps, thirty_frames_teachers
from studies.thirty_frames_steps import Plan, after, stored, student
from studies.thirty_frames_teachers import (
    augment,
    augment_small,
    labels_loss,
    objective,
    teachers_loss,
)

TINY = Plan(
    scenes=4, taught=2, small_epochs=1, validation=4, test=4, height=128, width_px=256, width=0.5,
    mac_share=0.8, calibration=4, batch_size=2, num_epochs={"D": 1, "P": 1, "Q": 1},
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The rows of D, DP and DPQ, and the folder of their files."""
    folder, rows = tmp_path_factory.mktemp("runs"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thirty_frames_steps, "CACHE", folder / "cache")
        for chain in thirty_frames.prefixes("DPQ"):
            row = thirty_frames.made(chain, 0, "cpu", TINY, folder)
            for ending, content in row.pop("files").items():
                (folder / f"{chain}_0.{ending}").write_bytes(content)
            rows[chain] = row
    return rows, folder


@pytest.mark.slow
def test_each_step_leaves_a_smaller_network_that_comes_back_from_its_file(runs):
    rows, folder = runs
    assert rows["DP"]["macs"] <= 0.8 * rows["D"]["macs"]
    assert rows["DPQ"]["file_bytes"] < rows["DP"]["file_bytes"] < rows["D"]["file_bytes"]
    for chain, row in rows.items():
        model = stored(chain, 0, "cpu", TINY, folder)
        assert edu.count_cost(model, TINY.shape).macs == row["macs"]
        assert thirty_frames.quality(model, TINY.split("test")) == row["test"]


@pytest.mark.slow
def test_the_integer_engine_gives_what_onnxruntime_gives(runs):
    rows, folder = runs
    assert rows["DPQ"]["integers_exact"] is True
    assert rows["DPQ"]["integer_peak_bytes"] > 0
    X = TINY.split("test").X[:1].float() / 255
    network = stored("DPQ", 0, "cpu", TINY, folder)
    integers = IntegerNetwork(folder / "DPQ_0.onnx").run(X.numpy())
    depth = network(X)["depth"].detach().numpy()
    np.testing.assert_allclose(integers["depth"], depth, atol=0.1 * np.abs(depth).max())
    assert integers["segmentation"].shape == (1, 9, 64, 128)


@pytest.mark.parametrize("chain", ["DD", "QD", "DQP", "PQ"])
def test_a_chain_without_meaning_is_refused(chain):
    with pytest.raises(ValueError, match="each step once"):
        after(chain, student(0, TINY), 0, "cpu", TINY)


def batch(taught):
    generator = torch.Generator().manual_seed(0)
    return {
        "segmentation": torch.randint(0, 9, (2, 8, 8), generator=generator).to(torch.uint8),
        "depth": 1 + 50 * torch.rand(2, 8, 8, generator=generator),
        "steering": torch.randn(2, generator=generator),
        "taught_classes": torch.randint(0, 256, (2, 9, 4, 4), generator=generator).byte(),
        "taught_depth": torch.randn(2, 4, 4, generator=generator),
        "taught_steering": torch.randn(2, generator=generator),
        "taught": torch.tensor(taught),
    }


def halved(y):
    """The labels as `augment` hands them on."""
    return y | {name: y[name][:, ::2, ::2] for name in ("segmentation", "depth")}


def some_outputs():
    generator = torch.Generator().manual_seed(1)
    shapes = {"segmentation": (2, 9, 4, 4), "depth": (2, 1, 4, 4), "ego": (2, 1)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_teachers_count_half_where_they_answered_and_nothing_elsewhere():
    outputs, nobody = some_outputs(), halved(batch([False, False]))
    own = labels_loss(outputs, nobody)
    assert objective(outputs, nobody) == own
    everybody = halved(batch([True, True]))
    theirs = teachers_loss(outputs, everybody)
    assert objective(outputs, everybody).item() == pytest.approx((own + theirs).item() / 2)
    one = halved(batch([True, False]))
    of_one = teachers_loss(
        {name: value[:1] for name, value in outputs.items()},
        {name: value[:1] for name, value in one.items()},
    )
    assert objective(outputs, one).item() == pytest.approx((0.75 * own + 0.25 * of_one).item())


def test_a_student_that_answers_as_its_teachers_loses_nothing_more():
    outputs, y = some_outputs(), halved(batch([True, True]))
    logits = outputs["segmentation"] = torch.full((2, 9, 4, 4), -20.0)
    logits[:, 3] = 20.0
    y["taught_classes"] = torch.zeros(2, 9, 4, 4, dtype=torch.uint8)
    y["taught_classes"][:, 3] = 255
    y["taught_depth"] = outputs["depth"][:, 0]
    y["taught_steering"] = outputs["ego"][:, 0]
    assert teachers_loss(outputs, y).item() == pytest.approx(0, abs=1e-6)


def neighbours(whole):
    """The four that a label of half the size can be, as they are and in a mirror."""
    return [
        side[:, row::2, column::2]
        for side in (whole, whole.flip(-1))
        for row in (0, 1)
        for column in (0, 1)
    ]


def test_a_mirror_turns_all_labels_and_one_of_four_neighbours_is_the_label():
    X, y = torch.randint(0, 256, (2, 3, 8, 8)).byte(), batch([True, True])
    torch.manual_seed(0)
    seen = [augment(X, y)[1] for _ in range(40)]
    turned = [each for each in seen if torch.equal(each["steering"], -y["steering"])]
    assert 0 < len(turned) < 40
    for name in ("segmentation", "depth"):
        places = [[torch.equal(each[name], one) for one in neighbours(y[name])] for each in seen]
        assert all(map(any, places))
        assert len({tuple(place) for place in places}) == 8
    for each in turned:
        assert torch.equal(each["taught_steering"], -y["taught_steering"])
        for name in ("taught_classes", "taught_depth"):
            assert torch.equal(each[name].flip(-1), y[name])


def test_the_first_epochs_see_everything_at_half_the_size():
    X, y = torch.randint(0, 256, (2, 3, 8, 8)).byte(), batch([True, True])
    small, labels = augment_small(X, y)
    assert small.shape == (2, 3, 4, 4)
    assert labels["segmentation"].shape == labels["depth"].shape == (2, 2, 2)
    assert labels["taught_classes"].shape == (2, 9, 2, 2)


def test_answers_are_kept_part_by_part(tmp_path, monkeypatch):
    X = TINY.split("test").X
    monkeypatch.setattr(thirty_frames_teachers, "PART", 2)
    first = thirty_frames_teachers.answers(X, "cpu", tmp_path)
    assert len(list(tmp_path.glob("*/*.npz"))) == 2
    monkeypatch.setattr(thirty_frames_teachers, "answered", None)  # nothing is asked again
    again = thirty_frames_teachers.answers(X, "cpu", tmp_path)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["taught_classes"].shape == (4, 9, 64, 128)


def test_the_summary_has_what_the_chapter_reads():
    test = {"miou": 86.0, "delta1": 92.0, "steering_error_deg": 0.1}
    heavy = {"test": {"miou": 87.0, "delta1": 80.0, "steering_error_deg": 0.2}}
    row = {"test": test, "file_bytes": 90_000, "integers_exact": True, "device": "cpu"}
    p50 = {
        "D onnxruntime": 8.0, "DP onnxruntime": 4.0, "DQ onnxruntime": 2.0, "DPQ onnxruntime": 1.25,
        "DP pipeline": 5.0, "DPQ pipeline": 2.0, "heavy onnxruntime": 80.0, "heavy eager": 180.0,
    }  # fmt: skip
    times = {name: {"p50_ms": ms, "fps": 1e3 / ms} for name, ms in p50.items()}
    figures = thirty_frames.summary(
        heavy,
        {"D": [row] * 3, "DP": [row] * 3, "DPQ": [row] * 3},
        {"times_128x256": times, "times_512x1024": times},
    )
    wanted = {
        "gain_vs_eager": 90, "gain_vs_onnxruntime": 40, "fps": 500, "fps_512x1024": 500,
        "miou_change_points": -1, "depth_change_percent": 15, "steering_change_percent": -50,
        "file_bytes": 90_000, "combined_share": 0.8, "seeds": 3,
    }  # fmt: skip
    assert {name: figures[name] for name in wanted} == pytest.approx(wanted)
    # the headline is that of the file whose bytes and quality stand beside it, not the faster one
    assert figures["fp32"] == pytest.approx(
        {"gain_vs_eager": 36, "gain_vs_onnxruntime": 16, "fps": 200, "fps_512x1024": 200}
    )


def test_one_seed_has_no_scatter():
    test = {"miou": 86.0, "delta1": 92.0, "steering_error_deg": 0.1}
    row = {"test": test, "file_bytes": 90_000, "integers_exact": True, "device": "cpu"}
    names = ("D", "DP", "DQ", "DPQ", "heavy")
    times = {f"{name} onnxruntime": {"p50_ms": 1.0, "fps": 1e3} for name in names}
    times |= {f"{name} pipeline": {"p50_ms": 1.0, "fps": 1e3} for name in ("DP", "DPQ")}
    times |= {"heavy eager": {"p50_ms": 1.0, "fps": 1e3}}
    figures = thirty_frames.summary(
        {"test": test},
        {"D": [row], "DP": [row], "DPQ": [row]},
        {"times_128x256": times, "times_512x1024": times},
    )
    assert figures["miou_change_points_sd"] is None


def test_a_summary_elsewhere_keeps_the_times_and_the_processor_that_they_are_of(monkeypatch):
    stored = {"times": {"old": 1}, "rough_times": [], "machine": {"cpu": "The first"}}

    def save(name, figures, command):
        stored.update(figures, machine={"cpu": "The second"})

    monkeypatch.setattr(thirty_frames, "rows", lambda chain: [{"seed": 0}])
    monkeypatch.setattr(thirty_frames, "heavy_card", dict)
    monkeypatch.setattr(thirty_frames, "summary", lambda heavy, steps, times: {"times": times})
    monkeypatch.setattr(thirty_frames.frame, "processor", lambda: "The second")
    monkeypatch.setattr(thirty_frames.frame, "stored_result", lambda name: dict(stored))
    monkeypatch.setattr(thirty_frames.edu, "save_result", save)
    timing = thirty_frames.thirty_frames_timing
    monkeypatch.setattr(timing, "stored_times", lambda: ({"new": 2}, ["busy"]))
    for _ in range(2):
        thirty_frames.summarise(timed_now=False)
        assert (stored["times"], stored["timed_on"]) == ({"old": 1}, "The first")
    thirty_frames.summarise(timed_now=True)
    assert (stored["times"], stored["timed_on"]) == ({"new": 2}, "The second")
    assert stored["rough_times"] == ["busy"]
