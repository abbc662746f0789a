"""Result files carry their machine, versions, date and command, and say what to do when missing."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from edu_lib.measure import machine, results
from edu_lib.measure.results import load_result, save_result


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_others_may_read_a_result_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        path = save_result("r", {"a": 1}, "python3 -m studies.r", tmp_path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


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
    assert set(found) == {"cpu", "isa", "int8_saturates", "cores", "threads", "gpu", "ram_gb", "os"}
    assert found["cpu"]
    assert found["isa"]
    assert found["threads"] >= 1
    assert found["ram_gb"] > 0
    assert machine.versions()["torch"]


@pytest.mark.parametrize(
    ("isa", "saturates"),
    [
        (["sse4_2", "avx"], False),  # Sandy Bridge: no AVX2
        (["sse4_2", "avx", "avx2", "fma"], True),  # Haswell, Zen 1 to 3
        (["avx2", "fma", "avx512f"], True),  # Skylake-X
        (["avx2", "fma", "avx_vnni"], False),  # Alder Lake
        (["avx2", "fma", "avx512f", "avx512_vnni"], False),  # Ice Lake, Zen 4
        (["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"], False),
        (["asimd"], False),  # Cortex-A72
        (["asimd", "asimddp", "i8mm"], False),
        ([], False),
        (["avx2"], True),  # what PyTorch's own dispatch calls itself
        (["avx512"], True),
        (["default"], False),
    ],
)
def test_int8_sums_saturate_with_avx2_or_avx512_and_without_vnni(isa, saturates):
    assert machine.int8_dot_product_saturates(isa) is saturates


def test_this_machine_is_asked_where_no_instructions_are_given(monkeypatch):
    for isa, saturates in ((("avx2",), True), (("avx2", "avx_vnni"), False)):
        monkeypatch.setattr(machine, "vector_instructions", lambda isa=isa: isa)
        assert machine.int8_dot_product_saturates() is saturates
        assert machine.describe_machine()["int8_saturates"] is saturates


@pytest.mark.parametrize(
    ("able", "isa"),
    [
        (
            {"architecture": "x86_64", "avx2": True, "fma3": True, "avx512_f": False},
            ("avx2", "fma"),
        ),
        ({"avx512_f": True, "avx512_vnni": True}, ("avx512f", "avx512_vnni")),
        (
            {"architecture": "aarch64", "neon": True, "dot": True, "sve": False},
            ("asimd", "asimddp"),
        ),
        ({"architecture": "riscv"}, ("default",)),
    ],
)
def test_vector_instructions_have_the_names_of_linux(monkeypatch, able, isa):
    monkeypatch.setattr(machine.torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(machine.torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert machine.vector_instructions.__wrapped__() == isa


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/cpuinfo is Linux's")
def test_vector_instructions_are_among_those_that_linux_lists():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    words = next(
        line.partition(":")[2].split()
        for line in text.splitlines()
        if line.startswith(("flags", "Features"))
    )
    # a subset: instructions may be hidden from a process, or be emulated
    assert set(machine.vector_instructions()) <= set(words)


def test_linux_and_macos_tell_the_name(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nmodel name : Some CPU @ 2 GHz\n", encoding="utf-8")
    assert machine._linux_name(cpuinfo) == "Some CPU @ 2 GHz"
    cpuinfo.write_text("processor : 0\nFeatures : fp asimd\n", encoding="utf-8")
    assert machine._linux_name(cpuinfo) == ""

    def sysctl(command, **options):
        assert command[-1] == "machdep.cpu.brand_string"
        return subprocess.CompletedProcess(command, 0, stdout="Apple M3\n")

    monkeypatch.setattr(subprocess, "run", sysctl)
    assert machine._macos_name() == "Apple M3"


def test_an_unknown_system_is_no_error(monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "plan9")
    assert machine.processor_name.__wrapped__()
