"""The launcher: what it says, what it makes, what it repairs, and the server it starts."""

import ast
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import namedtuple
from pathlib import Path, PurePosixPath

import psutil
import pytest

import kit
from tools import guard, lab_settings, venv

DiskUsage = namedtuple("DiskUsage", "total used free")
POSIX = os.name == "posix"
SECONDS = 600


def hear_interrupts():
    """A shell starts background jobs deaf to Ctrl-C, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        guard.end_with_parent()  # no lab goes on when the tests are killed


AS_IN_A_TERMINAL = {"start_new_session": True, "preexec_fn": hear_interrupts} if POSIX else {}


@pytest.fixture
def root(tmp_path):
    """A kit that needs no packages, in a folder of the kind that people have."""
    tmp_path = tmp_path / "mein ünïcode kit"
    tmp_path.mkdir()
    for name in (venv.LEARNER, venv.BUILDER, venv.TEACHER, "constraints.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Stand-ins for making .venv and for pip: the list of what was called."""
    made = []

    def make_venv(folder, lock):
        made.append("venv")
        venv.venv.EnvBuilder(with_pip=False, clear=True, symlinks=POSIX).create(folder)

    def pip(command, **options):
        name = Path(command[command.index("-r") + 1]).name
        made.append(name)
        return subprocess.CompletedProcess(command, 0)

    real = subprocess.run
    monkeypatch.setattr(venv, "make_venv", make_venv)
    monkeypatch.setattr(venv, "works", venv.starts)  # this .venv has no pip
    monkeypatch.setattr(venv, "put_the_kit_on_the_path", lambda python, root: None)
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
    for name in ("lab", "test", "build", "release", "grade", "bench", "doctor"):
        assert f"kit.py {name}" in page
    assert kit.main(["--help"]) == 0
    assert capsys.readouterr().out == page


@pytest.mark.skipif(not POSIX, reason="kit.py grade needs Linux or macOS")
def test_the_folder_of_a_course_is_told_from_where_the_person_is(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(venv, "environment", lambda *names: Path("python"))
    monkeypatch.setattr(kit, "run", lambda python, *words, **variables: asked.append(words) or 0)
    monkeypatch.chdir(tmp_path)
    assert kit.main(["grade", "spring"]) == kit.main(["release", "--seed", "3"]) == 0
    assert asked == [
        ("-m", "tools.course.grade", os.path.abspath("spring")),
        ("-m", "tools.course.release", "--seed", "3"),
    ]


@pytest.mark.parametrize("name", ["build", "slides", "site", "phone", "devices", "bench", "doctor"])
def test_help_of_a_command_is_its_lines_and_starts_nothing(name, monkeypatch, capsys):
    monkeypatch.setattr(kit, "run", pytest.fail)
    assert kit.main([name, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (2 if name == "phone" else 1)
    for line in lines:
        assert re.fullmatch(rf"python3 kit\.py {name} (?:(?!python3).)*\w{{4,}}.*", line)


def test_an_unknown_command():
    sentence = sentence_of(kit.main, ["laboratory"])
    assert "'laboratory'" in sentence
    assert "lab, test, build, " in sentence
    assert "release, grade, " in sentence
    assert "bench, report, doctor" in sentence


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15), (4, 0)])
def test_a_python_that_the_packages_do_not_support(version, root, monkeypatch):
    monkeypatch.setattr(sys, "version_info", version)
    sentence = sentence_of(lambda: venv.environment(venv.LEARNER, root=root))
    assert f"this is Python {version[0]}.{version[1]}" in sentence
    assert "python3.11 kit.py lab" in sentence
    assert not (root / ".venv").exists()


def test_the_supported_pythons_are_those_of_the_project():
    text = (kit.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=(\d+)\.(\d+)"', text)
    assert tuple(map(int, oldest.groups())) == venv.OLDEST_PYTHON
    venv.check_python(venv.OLDEST_PYTHON)
    venv.check_python(venv.NEWEST_PYTHON)


@pytest.mark.parametrize("file", ["kit.py", "tools/copies.py", "tools/guard.py", "tools/venv.py"])
def test_an_older_python_can_read_it_far_enough_to_refuse(file):
    source = (kit.ROOT / file).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    assert "from __future__ import annotations" in source


@pytest.mark.parametrize("file", ["kit.py", "tools/copies.py", "tools/guard.py", "tools/venv.py"])
def test_it_imports_the_standard_library_alone(file):
    tree = ast.parse((kit.ROOT / file).read_text(encoding="utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {"tools"} if file in ("kit.py", "tools/venv.py") else set()
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | own


# .venv: made, kept, repaired


def test_no_disk_space(root, monkeypatch, calls):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(9, 8, 1.2e9))
    sentence = sentence_of(lambda: venv.environment(venv.LEARNER, root=root))
    assert "1.2 GB free" in sentence
    assert "make room" in sentence
    assert calls == []


def test_the_first_use_installs_and_the_second_starts_at_once(root, calls):
    python = venv.environment(venv.LEARNER, venv.BUILDER, root=root)
    assert python == venv.python_of(root / ".venv")
    assert calls == ["venv", venv.LEARNER, venv.BUILDER]
    venv.environment(venv.LEARNER, venv.BUILDER, root=root)
    assert len(calls) == 3


@pytest.mark.parametrize("file", [venv.LEARNER, "constraints.txt"])
def test_changed_requirements_are_installed(root, calls, file):
    venv.environment(venv.LEARNER, venv.BUILDER, root=root)
    calls.clear()
    (root / file).write_text("# newer\n")
    venv.environment(venv.LEARNER, venv.BUILDER, root=root)
    assert calls == [venv.LEARNER, venv.BUILDER]


def test_changed_builder_requirements_leave_the_learner_alone(root, calls):
    venv.environment(venv.LEARNER, venv.BUILDER, root=root)
    calls.clear()
    (root / venv.BUILDER).write_text("# newer\n")
    venv.environment(venv.LEARNER, root=root)
    assert calls == []
    venv.environment(venv.LEARNER, venv.BUILDER, root=root)
    assert calls == [venv.BUILDER]


def test_a_moved_kit_is_installed_anew(root, calls):
    venv.environment(venv.LEARNER, root=root)
    shutil.copytree(root, root / "elsewhere", symlinks=True)
    assert venv.is_installed(venv.LEARNER, root)
    assert not venv.is_installed(venv.LEARNER, root / "elsewhere")


def test_a_folder_without_a_python_is_rebuilt(root, calls):
    (root / ".venv" / "lib").mkdir(parents=True)
    venv.environment(venv.LEARNER, root=root)
    assert calls == ["venv", venv.LEARNER]


@pytest.mark.skipif(not POSIX, reason="makes a shell script stand for a broken Python")
@pytest.mark.parametrize("stamped", [False, True])
def test_a_python_that_does_not_start_is_rebuilt(root, calls, stamped):
    python = venv.python_of(root / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    if stamped:
        venv.stamp(venv.LEARNER, root).write_text(venv.fingerprint(venv.LEARNER, root))
    venv.environment(venv.LEARNER, root=root)
    assert calls == ["venv", venv.LEARNER]


def test_an_interrupted_pip_leaves_no_stamp_of_an_earlier_run(root, calls, monkeypatch):
    venv.environment(venv.LEARNER, root=root)
    assert venv.is_installed(venv.LEARNER, root)

    def interrupt(command, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            venv.install(venv.python_of(root / ".venv"), venv.LEARNER, root, 0)
    assert not venv.is_installed(venv.LEARNER, root)


def test_a_venv_that_cannot_be_made(root, monkeypatch):
    def refuse(error):
        def create(self, folder):
            raise error

        monkeypatch.setattr(venv.venv.EnvBuilder, "create", create)
        return sentence_of(venv.make_venv, root / ".venv", 0)

    assert "python3-venv" in refuse(subprocess.CalledProcessError(1, ["pip"]))
    assert "python3-venv" in refuse(ModuleNotFoundError("ensurepip"))
    assert "close the programs" in refuse(PermissionError("in use"))


@pytest.mark.parametrize(
    ("system", "path"), [("nt", "Scripts/python.exe"), ("posix", "bin/python")]
)
def test_where_the_python_of_a_venv_lies(system, path, monkeypatch):
    monkeypatch.setattr(kit.os, "name", system)
    assert venv.python_of(PurePosixPath("kit/.venv")) == PurePosixPath("kit/.venv", path)


@pytest.fixture(scope="module")
def real_root(tmp_path_factory):
    """A kit whose .venv is really made, by a real pip that has nothing to fetch."""
    root = tmp_path_factory.mktemp("kit") / "my ünïcode kit"
    root.mkdir()
    for name in (venv.LEARNER, venv.BUILDER, venv.TEACHER, "constraints.txt"):
        (root / name).write_text("")
    return root


@pytest.mark.slow
def test_a_real_venv(real_root):
    python = venv.environment(venv.LEARNER, root=real_root)
    assert venv.works(python)
    assert venv.is_installed(venv.LEARNER, real_root)
    code = "import sys; print(ascii(sys.prefix)); print(ascii(sys.path))"
    printed = subprocess.check_output([str(python), "-c", code], text=True)
    prefix, path = map(ast.literal_eval, printed.splitlines())
    assert Path(prefix).resolve() == (real_root / ".venv").resolve()
    assert str(real_root) in path
    assert all(file.read_bytes().isascii() for file in real_root.rglob("thirty_frames.pth"))
    overrides = real_root / ".venv/share/jupyter/lab/settings/overrides.json"
    assert json.loads(overrides.read_text()) == lab_settings.SETTINGS
    overrides.write_text("{}")  # those of an older kit
    venv.environment(venv.LEARNER, root=real_root)
    assert json.loads(overrides.read_text()) == lab_settings.SETTINGS


@pytest.mark.slow
def test_a_real_pip_that_fails_leaves_no_stamp_and_is_tried_again(real_root):
    python = venv.environment(venv.LEARNER, root=real_root)
    (real_root / venv.LEARNER).write_text("./no-such-folder\n")
    sentence = sentence_of(lambda: venv.environment(venv.LEARNER, root=real_root))
    assert f"pip could not install {venv.LEARNER}" in sentence
    assert "run the same command again" in sentence
    assert not venv.stamp(venv.LEARNER, real_root).exists()
    (real_root / venv.LEARNER).write_text("")
    assert venv.environment(venv.LEARNER, root=real_root) == python
    assert venv.is_installed(venv.LEARNER, real_root)


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
    monkeypatch.setattr(venv, "environment", lambda *names: Path("python"))
    monkeypatch.setattr(kit, "run", lambda *words, **options: handed_on.extend(words) or 0)
    monkeypatch.setattr(kit, "lay_out_chapters", lambda root, solutions: "work/labs")
    assert kit.lab(["--no-browser", "--portable=yes", "--solutions", "--debug"]) == 0
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of this")
def test_killing_the_launcher_ends_its_child(start):
    process = start(RUN.format(child=SLEEPER))
    child = psutil.Process(int(process.stdout.readline()))
    process.kill()
    child.wait(SECONDS)


KERNEL = """
import nbformat
from tools.build import execute
cell = nbformat.v4.new_code_cell("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
cell.source = f"open({path!r}, 'w').write(str(__import__('os').getpid()))\\n" + cell.source
execute(nbformat.v4.new_notebook(cells=[cell]), ".")
"""


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="Windows has no process groups to send Ctrl-C to")
@pytest.mark.parametrize("end", ["Ctrl-C", "kill"])
def test_a_build_that_is_stopped_leaves_no_kernel(start, tmp_path, end):
    note = tmp_path / "kernel"
    process = start(RUN.format(child=KERNEL.replace("{path!r}", repr(str(note)))))
    wait_until(lambda: note.is_file() and note.read_text(), "the kernel did not start")
    kernel = psutil.Process(int(note.read_text()))
    if end == "kill":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    process.wait(SECONDS)
    kernel.wait(SECONDS)


# one at a time


FIRST_INSTALL = """
import pathlib, sys, time
from tools import venv
root, done = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
venv.check_disk = lambda root: None
venv.works = lambda python: True
venv.is_installed = lambda name, root: done.exists()
def install(*arguments):
    print("installing", flush=True)
    sys.stdin.readline()
    done.touch()
venv.install = install
print(venv.environment(venv.LEARNER, root=root).name, flush=True)
"""


@pytest.fixture
def installs(root):
    """Starts `venv.environment` in a process whose pip waits for a line."""
    started = []

    def begin():
        command = [sys.executable, "-u", "-c", FIRST_INSTALL, str(root), str(root / "done")]
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=kit.ROOT, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_install_waits_for_the_first_and_finds_its_packages(installs):
    first = installs()
    assert first.stdout.readline() == "installing\n"
    second = installs()
    assert second.stdout.readline() == f"{guard.WAITING}\n"
    first.communicate("\n", timeout=SECONDS)
    printed, _ = second.communicate(timeout=SECONDS)
    assert "installing" not in printed
    assert printed.startswith("python")
    assert (first.returncode, second.returncode) == (0, 0)


def test_an_install_that_was_killed_frees_the_way(installs):
    first = installs()
    assert first.stdout.readline() == "installing\n"
    first.kill()
    second = installs()
    assert second.stdout.readline() == "installing\n"


@pytest.mark.skipif(not POSIX, reason="a child inherits no lock on Windows")
def test_a_pip_whose_launcher_was_killed_still_holds_the_lock(start, root):
    process = start(HOLDER.format(root=str(root), child=SLEEPER))
    pip = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.wait(SECONDS)
    with (root / guard.LOCK).open("ab") as file:
        assert not guard.try_to_lock(file)
        pip.kill()
        wait_until(lambda: guard.try_to_lock(file), "the lock is not free")


HOLDER = """
import pathlib, subprocess, sys
from tools import guard, venv
with guard.alone(pathlib.Path({root!r})) as lock:
    subprocess.run([sys.executable, "-c", {child!r}], pass_fds=[lock])
"""
LAB = """
import sys
import kit
from tools import venv
kit.FIRST_PORT = int(sys.argv[1])
venv.environment = lambda *names: kit.Path(sys.executable)
kit.lay_out_chapters = lambda root, solutions: "work/labs"
run, server = kit.run, sys.argv[2]
def run_server(python, *words, **options):
    port = next(word for word in words if word.startswith("--port=")).partition("=")[2]
    return run(python, "-c", server, port, **options)
kit.run = run_server
sys.exit(kit.lab([]))
"""
SLOW_SERVER = """
import socket, sys, time
time.sleep(0.5)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    print("serves", sys.argv[1], flush=True)
    time.sleep(600)
"""


def test_two_labs_in_the_same_instant_take_two_ports(start, taken):
    code = f"import sys; sys.argv[1:] = ['{taken + 1}', {SLOW_SERVER!r}]\n{LAB}"
    labs = [start(code), start(code)]
    ports = set()
    for process in labs:
        line = next(line for line in process.stdout if line.startswith("serves"))
        ports.add(int(line.split()[1]))
    assert len(ports) == 2


# what cannot be written


def refuse(number):
    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EROFS, "copy the kit's folder to a place of your own"),
        (errno.EACCES, "copy the kit's folder to a place of your own"),
        (errno.ENOSPC, "is full: make room"),
        (errno.EIO, "to another disk"),
    ],
)
@pytest.mark.parametrize("command", ["lab", "test", "build", "release", "grade", "bench"])
def test_a_folder_that_cannot_be_written(monkeypatch, command, number, said):
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse(number))
    assert said in sentence_of(kit.main, [command])


def test_a_disk_that_fills_up_while_the_chapters_are_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(venv, "environment", lambda *names: Path(sys.executable))
    monkeypatch.setattr(kit, "WORK", str(tmp_path))
    monkeypatch.setattr(os, "replace", refuse(errno.ENOSPC))
    assert "is full: make room" in sentence_of(kit.main, ["lab"])
    assert list(tmp_path.rglob("*.ipynb")) == []


def test_git_leaves_the_learners_work_and_the_lock_alone():
    ignored = (kit.ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"{kit.WORK}/", ".venv", guard.LOCK} <= set(ignored)


def test_a_home_that_can_be_written_stays_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert guard.settings_without_home(tmp_path / "work") == {}
    assert not (tmp_path / "work").exists()


# the real server

SERVED = """
import sys
import kit
from tools import venv
kit.WORK = {work!r}
venv.environment = lambda *names: kit.Path(sys.executable)  # installs nothing
sys.exit(kit.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`kit.py lab` as a user without a home starts it: (process, port, what it printed)."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("lab") / "lab.log"
    work = Path("build", f"lab-{port}")  # not the learner's own folder
    start_lab = SERVED.format(work=str(work))
    homeless = {**os.environ, "HOME": str(log.parent / "no-such-home")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", start_lab, "lab", "--no-browser", f"--port={port}"],
            cwd=kit.ROOT, env=homeless, stdout=output, stderr=subprocess.STDOUT,
            **AS_IN_A_TERMINAL,
        )  # fmt: skip
    try:
        wait_until(
            lambda: not alive(process) or ("token=" in log.read_text() and kit.answers(port)),
            "kit.py lab printed no address or does not answer there",
        )
        assert alive(process), log.read_text()
        yield process, port, log.read_text()
    finally:
        for child in psutil.Process(process.pid).children(recursive=True) if alive(process) else []:
            child.kill()
        process.kill()
        process.wait()
        shutil.rmtree(kit.ROOT / work, ignore_errors=True)


def alive(process):
    return process.poll() is None


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return answer.status, answer.url
    except urllib.error.HTTPError as error:
        return error.code, url


@pytest.mark.slow
def test_the_lab_answers_with_its_token_alone(server):
    _, port, log = server
    address = f"http://127.0.0.1:{port}"
    token = re.search(r"token=([0-9a-f]{20,})", log)[1]
    assert status_of(f"{address}/api/contents")[0] == 403
    assert status_of(f"{address}/api/contents?token=wrong")[0] == 403
    assert status_of(f"{address}/api/contents?token={token}")[0] == 200
    assert "/login" in status_of(f"{address}/lab")[1]


@pytest.mark.slow
def test_the_lab_opens_the_learners_copy_of_the_first_chapter(server):
    opened = re.search(r"/lab/tree/(\S+)\?token", server[2])[1]
    copy, lab = kit.ROOT / opened, kit.ROOT / "notebooks" / "labs" / "00_start_here.ipynb"
    assert copy.read_bytes() == lab.read_bytes()


@pytest.mark.slow
def test_without_a_home_the_lab_keeps_its_settings_with_the_learners_work(server):
    assert "There is no home folder to write to" in server[2]
    assert "Traceback" not in server[2]


@pytest.mark.slow
def test_the_lab_listens_on_this_machine_alone(server):
    process, port, _ = server
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    sockets = [found for member in family for found in member.net_connections(kind="inet")]
    listening = {found.laddr for found in sockets if found.status == psutil.CONN_LISTEN}
    assert ("127.0.0.1", port) in listening
    assert {address.ip for address in listening} == {"127.0.0.1"}


@pytest.mark.slow
def test_a_second_lab_on_the_same_port_is_refused_in_one_sentence(server):
    command = [sys.executable, "kit.py", "lab", f"--port={server[1]}"]
    second = subprocess.run(command, cwd=kit.ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert second.returncode == 1
    assert re.fullmatch(r"Port \d+ is taken by another program: [^\n]+\.\n", second.stderr)


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="Windows has no process groups to send Ctrl-C to")
def test_ctrl_c_stops_the_lab_and_leaves_no_process(server):
    process, port, _ = server
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(SECONDS) == 130
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []
    assert kit.is_free(port)
