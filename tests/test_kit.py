"""The launcher: what it says, what it makes, what it repairs, and the server it starts."""

import ast
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import namedtuple
from pathlib import Path, PurePosixPath

import psutil
import pytest

import kit

DiskUsage = namedtuple("DiskUsage", "total used free")
POSIX = os.name == "posix"
SECONDS = 120


def hear_interrupts():
    """A shell starts background jobs deaf to Ctrl-C, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


AS_IN_A_TERMINAL = {"start_new_session": True, "preexec_fn": hear_interrupts} if POSIX else {}


@pytest.fixture
def root(tmp_path):
    """A kit that needs no packages."""
    for name in (kit.LEARNER, kit.BUILDER, "constraints.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Stand-ins for making .venv and for pip: the list of what was called."""
    made = []

    def make_venv(folder):
        made.append("venv")
        kit.venv.EnvBuilder(with_pip=False, clear=True, symlinks=POSIX).create(folder)

    def pip(command, **options):
        name = Path(command[command.index("-r") + 1]).name
        made.append(name)
        return subprocess.CompletedProcess(command, 0)

    real = subprocess.run
    monkeypatch.setattr(kit, "make_venv", make_venv)
    monkeypatch.setattr(kit, "works", kit.starts)  # this .venv has no pip
    monkeypatch.setattr(kit, "put_the_kit_on_the_path", lambda python, root: None)
    monkeypatch.setattr(
        subprocess, "run", lambda c, **o: pip(c, **o) if "install" in c else real(c, **o)
    )
    return made


def sentence_of(function, *arguments):
    """The sentence with which a call exits."""
    with pytest.raises(SystemExit) as exit_with:
        function(*arguments)
    text = str(exit_with.value)
    assert text.endswith((".", "?")), text
    assert "\n" not in text
    return text


# what it says


def test_without_a_command_it_shows_the_commands(capsys):
    assert kit.main([]) == 0
    page = capsys.readouterr().out
    for name in ("lab", "test", "build", "bench", "doctor"):
        assert f"kit.py {name}" in page
    assert kit.main(["--help"]) == 0
    assert capsys.readouterr().out == page


def test_an_unknown_command():
    sentence = sentence_of(kit.main, ["laboratory"])
    assert "'laboratory'" in sentence
    assert "lab, test, build, bench, doctor" in sentence


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15), (4, 0)])
def test_a_python_that_the_packages_do_not_support(version, root, monkeypatch):
    monkeypatch.setattr(sys, "version_info", version)
    sentence = sentence_of(lambda: kit.environment(kit.LEARNER, root=root))
    assert f"this is Python {version[0]}.{version[1]}" in sentence
    assert "python3.11 kit.py lab" in sentence
    assert not (root / ".venv").exists()


def test_the_supported_pythons_are_those_of_the_project():
    text = (kit.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=(\d+)\.(\d+)"', text)
    assert tuple(map(int, oldest.groups())) == kit.OLDEST_PYTHON
    kit.check_python(kit.OLDEST_PYTHON)
    kit.check_python(kit.NEWEST_PYTHON)


def test_an_older_python_can_read_it_far_enough_to_refuse():
    source = (kit.ROOT / "kit.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    assert "from __future__ import annotations" in source


def test_it_imports_the_standard_library_alone():
    tree = ast.parse((kit.ROOT / "kit.py").read_text(encoding="utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


# .venv: made, kept, repaired


def test_no_disk_space(root, monkeypatch, calls):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(9, 8, 1.2e9))
    sentence = sentence_of(lambda: kit.environment(kit.LEARNER, root=root))
    assert "1.2 GB free" in sentence
    assert "make room" in sentence
    assert calls == []


def test_the_first_use_installs_and_the_second_starts_at_once(root, calls):
    python = kit.environment(kit.LEARNER, kit.BUILDER, root=root)
    assert python == kit.python_of(root / ".venv")
    assert calls == ["venv", kit.LEARNER, kit.BUILDER]
    kit.environment(kit.LEARNER, kit.BUILDER, root=root)
    assert len(calls) == 3


@pytest.mark.parametrize("file", [kit.LEARNER, "constraints.txt"])
def test_changed_requirements_are_installed(root, calls, file):
    kit.environment(kit.LEARNER, kit.BUILDER, root=root)
    calls.clear()
    (root / file).write_text("# newer\n")
    kit.environment(kit.LEARNER, kit.BUILDER, root=root)
    assert calls == [kit.LEARNER, kit.BUILDER]


def test_changed_builder_requirements_leave_the_learner_alone(root, calls):
    kit.environment(kit.LEARNER, kit.BUILDER, root=root)
    calls.clear()
    (root / kit.BUILDER).write_text("# newer\n")
    kit.environment(kit.LEARNER, root=root)
    assert calls == []
    kit.environment(kit.LEARNER, kit.BUILDER, root=root)
    assert calls == [kit.BUILDER]


def test_a_moved_kit_is_installed_anew(root, calls):
    kit.environment(kit.LEARNER, root=root)
    shutil.copytree(root, root / "elsewhere", symlinks=True)
    assert kit.is_installed(kit.LEARNER, root)
    assert not kit.is_installed(kit.LEARNER, root / "elsewhere")


def test_a_folder_without_a_python_is_rebuilt(root, calls):
    (root / ".venv" / "lib").mkdir(parents=True)
    kit.environment(kit.LEARNER, root=root)
    assert calls == ["venv", kit.LEARNER]


@pytest.mark.skipif(not POSIX, reason="makes a shell script stand for a broken Python")
@pytest.mark.parametrize("stamped", [False, True])
def test_a_python_that_does_not_start_is_rebuilt(root, calls, stamped):
    python = kit.python_of(root / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    if stamped:
        kit.stamp(kit.LEARNER, root).write_text(kit.fingerprint(kit.LEARNER, root))
    kit.environment(kit.LEARNER, root=root)
    assert calls == ["venv", kit.LEARNER]


def test_an_interrupted_pip_leaves_no_stamp_of_an_earlier_run(root, calls, monkeypatch):
    kit.environment(kit.LEARNER, root=root)
    assert kit.is_installed(kit.LEARNER, root)

    def interrupt(command, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            kit.install(kit.python_of(root / ".venv"), kit.LEARNER, root)
    assert not kit.is_installed(kit.LEARNER, root)


def test_a_venv_that_cannot_be_made(root, monkeypatch):
    def refuse(error):
        def create(self, folder):
            raise error

        monkeypatch.setattr(kit.venv.EnvBuilder, "create", create)
        return sentence_of(kit.make_venv, root / ".venv")

    assert "python3-venv" in refuse(subprocess.CalledProcessError(1, ["ensurepip"]))
    assert "close the programs" in refuse(PermissionError("in use"))


@pytest.mark.parametrize(
    ("system", "path"), [("nt", "Scripts/python.exe"), ("posix", "bin/python")]
)
def test_where_the_python_of_a_venv_lies(system, path, monkeypatch):
    monkeypatch.setattr(kit.os, "name", system)
    assert kit.python_of(PurePosixPath("kit/.venv")) == PurePosixPath("kit/.venv", path)


@pytest.fixture(scope="module")
def real_root(tmp_path_factory):
    """A kit whose .venv is really made, by a real pip that has nothing to fetch."""
    root = tmp_path_factory.mktemp("kit")
    for name in (kit.LEARNER, kit.BUILDER, "constraints.txt"):
        (root / name).write_text("")
    return root


def test_a_real_venv(real_root):
    python = kit.environment(kit.LEARNER, root=real_root)
    assert kit.works(python)
    assert kit.is_installed(kit.LEARNER, real_root)
    code = "import sys; print(sys.prefix); print(sys.path)"
    prefix, path = subprocess.check_output([str(python), "-c", code], text=True).splitlines()
    assert Path(prefix).resolve() == (real_root / ".venv").resolve()
    assert str(real_root) in ast.literal_eval(path)
    overrides = real_root / ".venv/share/jupyter/lab/settings/overrides.json"
    assert json.loads(overrides.read_text()) == kit.LAB_SETTINGS


def test_a_real_pip_that_fails_leaves_no_stamp_and_is_tried_again(real_root):
    python = kit.environment(kit.LEARNER, root=real_root)
    (real_root / kit.LEARNER).write_text("./no-such-folder\n")
    sentence = sentence_of(lambda: kit.environment(kit.LEARNER, root=real_root))
    assert f"pip could not install {kit.LEARNER}" in sentence
    assert "run the same command again" in sentence
    assert not kit.stamp(kit.LEARNER, real_root).exists()
    (real_root / kit.LEARNER).write_text("")
    assert kit.environment(kit.LEARNER, root=real_root) == python
    assert kit.is_installed(kit.LEARNER, real_root)


# ports


@pytest.fixture
def taken():
    """A port on which another program listens, and the next one is free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            if port < 65535 and kit.is_free(port + 1):
                yield port
                return


def test_a_taken_port_that_was_asked_for(taken):
    sentence = sentence_of(kit.choose_port, [f"--port={taken}"])
    assert sentence.startswith(f"Port {taken} is taken")
    assert f"--port={taken + 1}" in sentence


def test_a_taken_default_port(taken, monkeypatch, capsys):
    monkeypatch.setattr(kit, "FIRST_PORT", taken)
    assert kit.choose_port([]) == taken + 1
    assert f"{taken + 1} is used instead" in capsys.readouterr().out


def test_no_free_port(taken, monkeypatch):
    monkeypatch.setattr(kit, "FIRST_PORT", taken)
    monkeypatch.setattr(kit, "NUM_PORTS", 1)
    assert "close some programs" in sentence_of(kit.choose_port, [])


def test_a_free_port_that_was_asked_for(taken):
    assert kit.choose_port(["--no-browser", f"--port={taken + 1}"]) == taken + 1


@pytest.mark.parametrize(
    "words", [["--port"], ["--port", "8889"], ["--port=many"], ["--port=99999"]]
)
def test_a_port_that_is_none(words):
    assert "--port=8889" in sentence_of(kit.choose_port, words)


def test_other_options_that_begin_alike_are_handed_on(monkeypatch):
    handed_on = []
    monkeypatch.setattr(kit, "environment", lambda *names: Path("python"))
    monkeypatch.setattr(kit, "run", lambda *words: handed_on.extend(words) or 0)
    assert kit.lab(["--no-browser", "--portable=yes", "--debug"]) == 0
    assert handed_on[-3:] == ["--no-browser", "--portable=yes", "--debug"]


# running and stopping


@pytest.fixture
def start():
    """Starts a process that runs some code, in a group of its own as a terminal would."""
    started = []

    def start(code):
        options = {"stdout": subprocess.PIPE, "text": True, "cwd": kit.ROOT}
        command = [sys.executable, "-c", code]
        started.append(subprocess.Popen(command, **AS_IN_A_TERMINAL, **options))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def wait_until(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


RUN = "import kit, sys; sys.exit(kit.run(kit.Path(sys.executable), '-c', {child!r}))"
SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);" + SLEEPER


def test_the_exit_code_of_a_command_is_handed_on():
    assert kit.run(Path(sys.executable), "-c", "raise SystemExit(7)") == 7


def test_variables_and_path_of_a_command(tmp_path):
    code = "import os; assert os.environ['PATH'].startswith(os.environ['FIRST'] + os.pathsep)"
    python = Path(sys.executable)
    assert kit.run(python, "-c", code, FIRST=str(python.parent)) == 0


@pytest.mark.skipif(not POSIX, reason="Windows has no process groups to send Ctrl-C to")
@pytest.mark.parametrize(
    ("child", "settings"), [(SLEEPER, ""), (STUBBORN, "import kit; kit.STOP_SECONDS = 0.2; ")]
)
def test_an_interrupt_gives_130_and_leaves_no_child(start, child, settings):
    process = start(settings + RUN.format(child=child))
    number = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(SECONDS) == 130
    assert not psutil.pid_exists(number)


@pytest.mark.skipif(not POSIX, reason="Windows ends a process without telling it")
def test_ending_the_launcher_ends_its_child(start):
    process = start(RUN.format(child=SLEEPER))
    number = int(process.stdout.readline())
    process.terminate()
    assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(number)


# the real server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`kit.py lab` as a user starts it: (process, port, what it printed). Stopped at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("lab") / "lab.log"
    settings = {**os.environ, "JUPYTER_CONFIG_DIR": str(log.parent)}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "kit.py", "lab", "--no-browser", f"--port={port}"],
            cwd=kit.ROOT, env=settings, stdout=output, stderr=subprocess.STDOUT,
            **AS_IN_A_TERMINAL,
        )  # fmt: skip
    try:
        wait_until(
            lambda: not alive(process) or ("token=" in log.read_text() and answers(port)),
            "kit.py lab printed no address or does not answer there",
        )
        assert alive(process), log.read_text()
        yield process, port, log.read_text()
    finally:
        for child in psutil.Process(process.pid).children(recursive=True) if alive(process) else []:
            child.kill()
        process.kill()
        process.wait()


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def alive(process):
    return process.poll() is None


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return answer.status, answer.url
    except urllib.error.HTTPError as error:
        return error.code, url


def test_the_lab_answers_with_its_token_alone(server):
    _, port, log = server
    address = f"http://127.0.0.1:{port}"
    token = re.search(r"token=([0-9a-f]{20,})", log)[1]
    assert status_of(f"{address}/api/contents")[0] == 403
    assert status_of(f"{address}/api/contents?token=wrong")[0] == 403
    assert status_of(f"{address}/api/contents?token={token}")[0] == 200
    assert "/login" in status_of(f"{address}/lab")[1]


def test_the_lab_opens_the_first_chapter(server):
    assert kit.START_NOTEBOOK in server[2]


def test_the_lab_listens_on_this_machine_alone(server):
    process, port, _ = server
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    sockets = [found for member in family for found in member.net_connections(kind="inet")]
    listening = {found.laddr for found in sockets if found.status == psutil.CONN_LISTEN}
    assert ("127.0.0.1", port) in listening
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_a_second_lab_on_the_same_port_is_refused_in_one_sentence(server):
    command = [sys.executable, "kit.py", "lab", f"--port={server[1]}"]
    second = subprocess.run(command, cwd=kit.ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert second.returncode == 1
    assert re.fullmatch(r"Port \d+ is taken by another program: [^\n]+\.\n", second.stderr)


@pytest.mark.skipif(not POSIX, reason="Windows has no process groups to send Ctrl-C to")
def test_ctrl_c_stops_the_lab_and_leaves_no_process(server):
    process, port, _ = server
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(SECONDS) == 130
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []
    assert kit.is_free(port)
