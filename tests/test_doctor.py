"""The doctor's report on a whole kit, and its advice on a damaged one."""

import errno
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import namedtuple

import pytest

import kit
from edu_lib.data import CHECKSUMS
from tools import doctor, venv

DiskUsage = namedtuple("DiskUsage", "total used free")


@pytest.fixture
def root(tmp_path):
    """A copy of what the doctor reads, with the two smallest archives as its data."""
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(kit.ROOT / name, tmp_path)
    folder = tmp_path / "data" / "MNIST"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    rows = []
    for name in ("MNIST/t10k-labels-idx1-ubyte.gz", "MNIST/train-labels-idx1-ubyte.gz"):
        shutil.copy(kit.ROOT / "data" / name, folder)
        rows.append(f"{CHECKSUMS[name][1]}  {name}\n")
    (tmp_path / "data" / "README.md").write_text("".join(rows))
    return tmp_path


def line(lines, name):
    return next(line for line in lines if line.name == name)


def test_the_report_covers_what_a_maintainer_asks():
    lines = doctor.report()
    names = {line.name for line in lines}
    assert {"kit", "Python", ".venv", "packages", "processor", "vectors", "threads"} <= names
    assert {"folder", "GPU", "memory", "free disk", "data", "port", "browser"} <= names
    assert line(lines, "kit").found == "0.1.0"
    assert line(lines, "data").found == "8 of 8 archives as published"
    assert all(line.found for line in lines)


def test_the_report_names_no_folder_of_this_machine(capsys):
    doctor.print_report()
    printed = capsys.readouterr().out
    assert str(kit.ROOT) not in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_the_readme_of_the_data_lists_the_checksums_of_the_library():
    readme = (kit.ROOT / "data" / "README.md").read_text(encoding="utf-8")
    listed = {name: sha256 for sha256, name in doctor.CHECKSUM.findall(readme)}
    assert listed == {name: sha256 for name, (_, sha256) in CHECKSUMS.items()}


def test_no_venv(root):
    found = doctor.environment(root)
    assert not found.ok
    assert "python3 kit.py lab" in found.advice


def test_a_venv_whose_python_does_not_start(root):
    python = venv.python_of(root / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("not a program")
    found = doctor.environment(root)
    assert "half-made" in found.found
    assert "anew" in found.advice


def test_a_venv_of_older_requirements(root, monkeypatch):
    (root / ".venv").mkdir()
    monkeypatch.setattr(venv, "starts", lambda python: True)
    venv.stamp(venv.LEARNER, root).write_text(venv.fingerprint(venv.LEARNER, root))
    assert doctor.environment(root).ok
    (root / venv.LEARNER).write_text("torch==9.9.9\n")
    found = doctor.environment(root)
    assert "does not match" in found.found
    assert "python3 kit.py lab" in found.advice


def test_missing_and_wrong_packages(root):
    text = (root / venv.LEARNER).read_text()
    assert doctor.packages(root).ok
    (root / venv.LEARNER).write_text(text + "\nno-such-package==1.0\npytest==0.1\n")
    found = doctor.packages(root)
    assert "missing: no-such-package" in found.found
    assert "(0.1 wanted)" in found.found
    assert "python3 kit.py lab" in found.advice


def test_a_build_of_the_wanted_version_is_that_version(root, monkeypatch):
    (root / venv.LEARNER).write_text("torch==2.14.1\n")
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "2.14.1+cpu")
    assert doctor.packages(root) == doctor.Line("packages", "torch 2.14.1+cpu")


def test_a_folder_that_cannot_be_written(root, monkeypatch):
    assert doctor.folder(root).ok

    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    found = doctor.folder(root)
    assert "cannot be written" in found.found
    assert "Copy the kit's folder" in found.advice
    assert found in doctor.report(root)


def test_a_kit_from_a_zip_file_is_not_sent_to_git(root):
    (root / ".git").rmdir()
    (root / "data" / "MNIST" / "t10k-labels-idx1-ubyte.gz").unlink()
    (missing,) = doctor.data(root)
    assert "Unpack data/MNIST/t10k-labels-idx1-ubyte.gz again" in missing.advice
    assert "git" not in missing.advice


def test_damaged_and_missing_archives(root):
    folder = root / "data" / "MNIST"
    assert doctor.data(root) == [doctor.Line("data", "2 of 2 archives as published")]
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    damaged, missing = doctor.data(root)
    assert damaged.found == "MNIST/t10k-labels-idx1-ubyte.gz is damaged"
    assert "git checkout -- data/MNIST/t10k-labels-idx1-ubyte.gz" in damaged.advice
    assert missing.found == "MNIST/train-labels-idx1-ubyte.gz is missing"
    (root / "data" / "README.md").unlink()
    assert "git checkout -- data/README.md" in doctor.data(root)[0].advice


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    assert "python3.11 kit.py lab" in doctor.python_version().advice


def test_a_full_disk(root, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(9, 9, 2e9))
    assert f"{venv.NEEDED_GB} GB" in doctor.disk(root).advice


def test_little_memory():
    assert "Close other programs" in doctor.memory(1.9).advice
    assert doctor.memory(3.7).ok


def test_a_taken_port_is_no_problem_and_no_free_port_is_one(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(kit, "FIRST_PORT", other.getsockname()[1])
        found = doctor.port()
        assert found.ok
        assert "in use" in found.found
        monkeypatch.setattr(kit, "NUM_PORTS", 1)
        assert "--port=9999" in doctor.port().advice


def test_without_packages_it_reports_what_it_can(monkeypatch):
    monkeypatch.setitem(sys.modules, "edu_lib.measure.machine", None)
    lines = doctor.machine()
    assert "edu_lib does not start" in lines[0].found
    assert lines[0].advice
    assert line(lines, "threads").ok


def test_it_starts_with_nothing_but_python(root):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tools import doctor\n"
        "assert not any(name in sys.modules for name in ('torch', 'numpy', 'psutil'))\n"
        "sys.exit(doctor.main([], Path(sys.argv[2])))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(kit.ROOT), str(root)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert found.returncode == 1, found.stderr
    assert "problem  packages" in found.stdout
    assert "To mend: .venv, packages, library." in found.stdout


def test_the_exit_code_says_whether_all_is_well(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "report", lambda root: [doctor.Line("data", "fine")])
    assert doctor.main([]) == 0
    assert "This machine is ready." in capsys.readouterr().out
    monkeypatch.setattr(doctor, "report", lambda root: [doctor.Line("data", "bad", "Mend it.")])
    assert doctor.main([]) == 1
    printed = capsys.readouterr().out
    assert "problem  data" in printed
    assert "What to do: Mend it." in printed
    assert doctor.main(["--what"]) == 2
