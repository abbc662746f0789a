"""Result files carry their machine, versions, date and command, and say what to do when missing."""

import json
import subprocess

import numpy as np
import pytest

from edu_lib.measure import machine, results
from edu_lib.measure.results import load_result, save_result

LINUX_X86 = "processor : 0\nmodel name : Some CPU @ 2 GHz\nflags : fpu avx2 avx512f avx512_vnni\n"
LINUX_ARM = "processor : 0\nFeatures : fp asimd asimddp\nmodel name : Some ARM\n"


def test_a_result_comes_back_with_its_provenance(tmp_path):
    figures = {"b": np.float32(0.5), "a": [1, 2], "c": np.arange(2)}
    path = save_result("speed_of_lenet", figures, "python3 -m studies.x", tmp_path)
    loaded = load_result("speed_of_lenet", tmp_path)
    assert (loaded["a"], loaded["b"], loaded["c"]) == ([1, 2], 0.5, [0, 1])
    assert loaded["command"] == "python3 -m studies.x"
    assert set(loaded) == {"a", "b", "c", "machine", "versions", "date", "command"}
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(loaded, indent=1, sort_keys=True) + "\n"
    assert [file.name for file in tmp_path.iterdir()] == ["speed_of_lenet.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    save_result("r", {"a": 1}, "python3 -m studies.r", tmp_path)
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        save_result("r", {"a": float("nan")}, "python3 -m studies.r", tmp_path)
    with pytest.raises(ValueError, match="set is not JSON"):
        save_result("r", {"a": {1, 2}}, "python3 -m studies.r", tmp_path)
    assert load_result("r", tmp_path)["a"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_result_names_the_study_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "STUDIES_FOLDER", tmp_path)
    (tmp_path / "many.py").write_text('save_result("shared_name", {})', encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"make it with `python3 -m studies\.alone`"):
        load_result("alone", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"make it with `python3 -m studies\.many`"):
        load_result("shared_name", tmp_path)


def test_a_damaged_result_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        load_result("broken", tmp_path)


@pytest.mark.parametrize(
    ("name", "figures", "command", "message"),
    [
        ("../x", {}, "python", "small letters"),
        ("x", {"date": 1}, "python", r"rename the keys \['date'\]"),
        ("x", {}, " ", "give the command"),
    ],
)
def test_bad_results_are_refused(tmp_path, name, figures, command, message):
    with pytest.raises(ValueError, match=message):
        save_result(name, figures, command, tmp_path)


def test_the_machine_is_described():
    found = machine.describe_machine()
    assert set(found) == {"cpu", "isa", "cores", "threads", "gpu", "ram_gb", "os"}
    assert found["cpu"]
    assert found["isa"]
    assert found["threads"] >= 1
    assert found["ram_gb"] > 0
    assert machine.versions()["torch"]


@pytest.mark.parametrize(
    ("text", "name", "isa"),
    [
        (LINUX_X86, "Some CPU @ 2 GHz", ["avx2", "avx512f", "avx512_vnni"]),
        (LINUX_ARM, "Some ARM", ["asimd", "asimddp"]),
    ],
)
def test_linux_tells_model_and_vector_instructions(tmp_path, text, name, isa):
    (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
    assert machine._linux_processor(tmp_path / "cpuinfo") == (name, isa)


@pytest.mark.parametrize(
    ("answers", "name", "isa"),
    [
        (
            {
                "machdep.cpu.brand_string": "Intel Core i7",
                "machdep.cpu.features": "FPU SSE4.2 AVX1.0 FMA",
                "machdep.cpu.leaf7_features": "AVX2",
            },
            "Intel Core i7",
            ["sse4_2", "avx", "avx2", "fma"],
        ),
        (
            {
                "machdep.cpu.brand_string": "Apple M3",
                "hw.optional.arm.AdvSIMD": "1",
                "hw.optional.arm.FEAT_DotProd": "1",
                "hw.optional.arm.FEAT_I8MM": "0",
            },
            "Apple M3",
            ["asimd", "asimddp"],
        ),
    ],
)
def test_macos_tells_model_and_vector_instructions(monkeypatch, answers, name, isa):
    def sysctl(command, **options):
        return subprocess.CompletedProcess(command, 0, stdout=answers.get(command[-1], "") + "\n")

    monkeypatch.setattr(subprocess, "run", sysctl)
    assert machine._macos_processor() == (name, isa)


def test_an_unknown_system_is_no_error(monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "plan9")
    name, isa = machine._processor.__wrapped__()
    assert name
    assert isa
