"""The committed result files keep their contract, and the weights are what they say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.measure import Measurement
from studies import bench, bits, cpu_gpu, int8, runtimes
from tools.chapters import NUMBER, sources

RESULTS = sorted((DATA_FOLDER / "results").glob("*.json"))
REQUIRED = {
    "mnist_time_to_accuracy": {
        "seeds",
        "threads",
        "mean_seconds_to_99_0",
        "mean_seconds_to_99_4",
    },
    "relu_vs_tanh": {"seeds", "epochs_ratio"},
    "data_hunger": {"seeds", "mnist", "fashion"},
    "cpu_inference": {"alexnet", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50"},
    "edge_server": {"requests", "lost", "refused_bad"},
    "timer_control": {"repeats", "share_within_3_percent"},
    "road_teachers": {"segmentation", "depth", "ego"},
    "multi_task": {
        "seeds",
        "speed_vs_three",
        "time_vs_slowest",
        "tasks",
        "tasks_from_labels",
        "learned_weights_vs_grid",
    },
    "separable_road": {"seeds", "p50_gain", "mac_gain", "miou_change_points"},
    "separable_speed": {"layers", "networks", "peak_gflops", "bandwidth_gb_per_second"},
    "channel_pruning": {
        "seeds",
        "p50_gain",
        "mac_gain",
        "conversion_efficiency",
        "miou_change_points",
        "torch_pruning",
    },
    "pruning_speed": {"staircase", "ladder", "sparse"},
    "lottery_ticket": {"seeds", "smallest_matching_share", "reinit_gap_points"},
    "distillation_mnist": {
        "seeds",
        "teacher_errors",
        "student_errors",
        "distilled_errors",
        "no_threes_errors",
        "no_threes_corrected_errors",
    },
    "thirty_frames": {
        "seeds",
        "gain_vs_eager",
        "gain_vs_onnxruntime",
        "fps",
        "fps_512x1024",
        "miou_change_points",
        "depth_change_percent",
        "steering_change_percent",
        "file_bytes",
        "combined_share",
    },
    "thirty_frames_limits": {"by_weather", "by_place", "by_distance", "strange"},
    "thirty_frames_gap": {"ceiling", "heavy", "half", "fine", "longer", "wider", "times"},
    "thirty_frames_drive": {"closing", "steady", "pipeline_fps"},
    "thirty_frames_order": {"orders", "gap_points", "decided", "seeds"},
    "int8": set(int8.NETWORKS),
    "edge_networks": {"gains", "mobilenet_v1", "efficientnet_lite0", "repvgg_a0", "resnet18"},
    "edge_quantization": {"efficientnet_lite0", "relu6", "hard_swish"},
    "bits": {"rows"},
    "c_export": {"lenet5", "tinynet", "road_eighth", "thirty_frames", "stack_bytes"},
    "runtimes_amx": set(runtimes.FILES),
    "low_bit_speed": {"int4", "xnor", "simulation"},
    "low_rank_speed": {"rows", "small", "network"},
    "deep_compression": {"lenet_300_100", "lenet_caffe"},
    "lenet_caffe_file": {"rows"},
    "lenet_300_100_file": {"rows"},
    "smallest_mnist_file": {"rows"},
    "container_fuzz": {"trials", "crashes", "hangs", "wrong_models"},
    "grading": {"submissions", "scored_right", "seconds", "at_once", "in_a_box", "kinds"},
    "chapter_seconds": {source.stem for source in sources()},
}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_says_where_when_and_how_it_was_made(path):
    content = read(path)
    assert {"machine", "versions", "date", "command"} <= content.keys()
    assert content["command"].startswith("python3 ")
    assert content["machine"]["cpu"]
    assert content["versions"]["torch"]
    assert "/" + "home" not in path.read_text()


@pytest.mark.parametrize("name", REQUIRED)
def test_the_promised_figures_are_there(name):
    content = read(DATA_FOLDER / "results" / f"{name}.json")
    assert REQUIRED[name] <= content.keys()


def test_forty_submissions_were_all_scored_right():
    content = read(DATA_FOLDER / "results" / "grading.json")
    assert content["scored_right"] == content["submissions"] == 40
    assert all(kind["scored_right"] == kind["submissions"] for kind in content["kinds"].values())


def test_every_runtime_was_asked_for_every_file_and_keeps_what_chapter_09_says():
    kept = edu.load_result("runtimes_amx")
    for key in runtimes.FILES:
        rows = kept[key]
        assert rows.keys() == runtimes.RUNTIMES.keys()
        assert {row["images"] for row in rows.values() if row["loads"]} == {
            runtimes.SCENES if key == runtimes.FINAL else runtimes.IMAGES
        }
        exact = {name for name, row in rows.items() if row.get("equal_to_rule") == "exact"}
        always = {"", "_exact", "_avx2_exact", "_arm", "_web"}
        assert exact >= {f"onnxruntime{ending}" for ending in always}
        assert ("onnxruntime_avx2" in exact) == key.endswith("_7")
        assert {name for name, row in rows.items() if not row["loads"]} == {"mnn", "ncnn"}
        assert all("reason" in rows[name] for name in rows.keys() - exact - {"mnn", "ncnn"})


def test_the_promises_about_speed_hold_as_measured():
    learned = edu.load_result("mnist_time_to_accuracy")
    for goal in ("99_0", "99_4"):
        part = learned[f"to_{goal}"]
        assert part["mean_accuracy"] >= part["goal"]
        assert len(part["runs"]) == learned["seeds"] == 10
    control = edu.load_result("timer_control")
    assert control["repeats"] == 100
    assert 0 <= control["share_within_3_percent"] <= 100
    seconds = edu.load_result("chapter_seconds")
    assert all(seconds[source.stem] <= 90 for source in sources())


def test_the_times_of_chapter_05_are_of_the_whole_networks_by_the_whole_study():
    part = edu.load_result("cpu_gpu")["cpu"]
    assert part["settings"] | {"threads": 0} == cpu_gpu.settings() | {"threads": 0}
    assert part["timer"]["difference_percent"] <= 3
    short = edu.load_result("cpu_inference")
    for network in part["settings"]["params"]:
        best = part["best"][network]
        assert short[network]["batch"] == 16
        assert short[network]["p50_ms"] == best["batch_16"]["p50_ms"] > best["batch_1"]["p50_ms"]
        assert short[network]["backend"] == best["batch_16"]["form"]


def test_the_server_lost_nothing_and_left_nothing_behind():
    server = edu.load_result("edge_server")
    assert (server["requests"], server["clients"], server["lost"]) == (10_000, 8, 0)
    assert server["refused_bad"] == server["bad"] == 500
    assert server["answered"] + server["refused_bad"] == server["requests"]
    assert server["listens_on"] == ["127.0.0.1"]
    assert server["answered_after_all"]
    assert all(server["gone"].values())


def test_the_road_figures_name_the_quality_of_each_task():
    teachers = edu.load_result("road_teachers")
    assert 0 < teachers["segmentation"]["miou"] <= 100
    assert 0 < teachers["depth"]["delta1"] <= 100
    assert teachers["ego"]["steering_error_deg"] > 0
    study = edu.load_result("multi_task")
    for tasks in (study["tasks"], study["tasks_from_labels"]):
        assert tasks.keys() == {"segmentation", "depth", "ego"}
        for row in tasks.values():
            assert len(row["single_seeds"]) == len(row["shared_seeds"]) == study["seeds"]
            assert row["change"] == pytest.approx(row["shared"] - row["single"])


def test_pruned_and_separable_roads_say_what_they_gained_and_lost():
    whole = edu.load_result("road_teachers")["segmentation"]["miou"]
    pruned = edu.load_result("channel_pruning")
    efficiency = 100 * pruned["p50_gain"] / pruned["mac_gain"]
    assert pruned["conversion_efficiency"] == pytest.approx(efficiency)
    assert pruned["seeds"] == len(pruned["runs"])
    assert pruned["torch_pruning"]["seeds"] == len(pruned["torch_pruning"]["runs"])
    for study in (pruned, edu.load_result("separable_road"), pruned["torch_pruning"]):
        assert study["miou_change_points"] == pytest.approx(study["miou"] - whole)
        assert study["mac_gain"] > 1


def test_int8_names_its_rivals_and_the_fastest_float_form():
    study = edu.load_result("int8")
    for name, network in int8.NETWORKS.items():
        row = study[name]
        assert row["p50_gain"] == pytest.approx(row["p50_ms_fp32"] / row["p50_ms"], rel=0.02)
        assert row["quantize_static"]["p50_gain"] > 0
        if network.quality is not None:
            change = row["quality"] - row["quality_fp32"]
            assert row["accuracy_change_points"] == pytest.approx(change)
            assert {"quality", "accuracy_change_points"} <= row["torchao"].keys()


def test_quantizers_rank_on_clothes_as_chapter_13_says():
    def each(network, form):
        return edu.load_result("edge_quantization")[network][form]["agreement_percent_each"]

    ahead = [("hard_swish", "accurate"), ("hard_swish", "mse_bias"), ("relu6", "mse_bias")]
    for network, form in ahead:
        ours = each(network, form)
        assert len(ours) >= 3
        for peer in ("onnxruntime", "nncf"):
            pairs = zip(ours, each(network, peer), strict=True)
            assert all(a > b for a, b in pairs), (network, form, peer)
    assert min(each("relu6", "minmax") + each("hard_swish", "minmax")) > 98


def test_bits_has_every_row_of_the_study_and_one_float_base_a_network():
    rows = edu.load_result("bits")["rows"]
    for wanted, _, _ in (*bits.clothes_rows(1), *bits.road_rows(1)):
        found = [row for row in rows if wanted.items() <= row.items()]
        assert len(found) == 1, wanted
        assert found[0]["seeds"] == len(found[0]["qualities"])
    for network in ("small_alexnet", "road_segmentation"):
        bases = [r["quality"] - r["change_points"] for r in rows if r["network"] == network]
        assert bases == pytest.approx([bases[0]] * len(bases))


def test_no_damaged_container_was_taken_for_a_good_one():
    fuzz = edu.load_result("container_fuzz")
    assert fuzz["trials"] >= 100_000
    assert (fuzz["crashes"], fuzz["hangs"], fuzz["wrong_models"]) == (0, 0, 0)
    counted = fuzz["refused"] + fuzz["unchanged"] + fuzz["remade_loaded"]
    assert counted == fuzz["trials"]


def test_published_numbers_name_their_source():
    for path in (DATA_FOLDER / "published").glob("*.json"):
        for name, entry in read(path).items():
            assert entry.get("source"), f"{path.name}: {name} has no source"


def test_prose_takes_its_measured_numbers_from_files():
    counts = {source.stem: len(NUMBER.findall(source.read_text())) for source in sources()}
    assert all(count >= 1 for count in counts.values()), counts


def test_the_race_of_activations_counts_what_its_curves_say():
    results = edu.load_result("relu_vs_tanh")
    target, races = results["recipe"]["target_error"], results["races"]["today"]
    assert results["seeds"] >= 3
    for by_activation in races.values():
        for runs in by_activation.values():
            assert len(runs["curves"]) == len(runs["epochs"]) == results["seeds"]
            for errors, epochs in zip(runs["curves"], runs["epochs"], strict=True):
                assert (epochs is None) == (min(errors) > target)
                assert epochs is None or len(errors) - 1 < epochs <= len(errors)
    means = [sum(races["3"][name]["epochs"]) for name in ("tanh", "relu")]
    assert results["epochs_ratio"] == pytest.approx(means[0] / means[1])


@pytest.mark.slow
def test_shipped_small_alexnet_reads_as_well_as_its_result_file_says():
    test = edu.fashion_mnist().test
    stored = edu.load_result("alexnet_weights")["small_alexnet"]
    network = edu.models.SmallAlexNet(**stored["parts"])
    measured = edu.evaluate(edu.load_weights(network, "small_alexnet"), test.X, test.y).error
    assert measured == pytest.approx(stored["test_error"], abs=0.03)


@pytest.mark.slow
def test_shipped_lenet_reads_as_well_as_its_result_file_says():
    test = edu.mnist().test
    for name, network, error in (
        ("lenet5", edu.models.LeNet5(), edu.load_result("lenet_weights")["lenet5"]["test_error"]),
        ("lenet1998", edu.models.LeNet1998(),
         edu.load_result("lenet_1998")["shifted"]["test_errors"][0]),
    ):  # fmt: skip
        measured = edu.evaluate(edu.load_weights(network, name), test.X, test.y).error
        # another processor may round one borderline digit the other way
        assert measured == pytest.approx(error, abs=0.03), name


def fake_measurement(runner, **_):
    return Measurement(
        name=runner.name, p50_ms=0.5, p90_ms=0.6, p99_ms=0.7, iqr_ms=0.1, fps=2000.0, threads=1,
        batch=1, device="cpu", isa=["avx2"], backend="onnxruntime", versions={}, date="2026-01-01",
        p50_interval_ms=(0.5, 0.5), control_ratio=1.0, settled=True, warmup_calls=10, blocks=30,
        calls=300, device_ms=None, block_medians_ms=[0.5] * 30,
    )  # fmt: skip


@pytest.fixture
def saved(monkeypatch):
    """What `bench` saves; nothing is timed, and random images calibrate the int8 network."""
    saved = {}
    monkeypatch.setattr(edu, "measure_latency", fake_measurement)
    monkeypatch.setattr(
        edu, "save_result",
        lambda name, figures, command: saved.update(figures) or Path(f"{name}.json"),
    )  # fmt: skip
    monkeypatch.setattr(cpu_gpu, "record_accelerator", lambda: "A GPU")
    road = int8.NETWORKS["road_segmentation"]
    random = replace(road, calibration=lambda draw: torch.rand(2, *bench.SHAPE[1:]))
    monkeypatch.setitem(int8.NETWORKS, "road_segmentation", random)
    return saved


@pytest.mark.slow
def test_bench_prints_and_saves_every_row_when_asked(saved, capsys):
    assert bench.main(["--save"]) == 0
    printed = capsys.readouterr().out
    assert all(entry.model in printed for entry in bench.ENTRIES)
    assert [row["model"] for row in saved["rows"]] == [entry.model for entry in bench.ENTRIES]
    assert "A GPU" in printed


def test_bench_saves_nothing_unasked(saved, monkeypatch, capsys):
    monkeypatch.setattr(bench, "ENTRIES", bench.ENTRIES[:1])
    assert bench.main([]) == 0
    assert bench.ENTRIES[0].model in capsys.readouterr().out
    assert saved == {}


def test_bench_refuses_what_it_does_not_know(capsys):
    assert bench.main(["--fast"]) == 2
    assert "--save" in capsys.readouterr().out
