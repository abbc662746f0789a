"""The files for a hub: what they name is there, and their limits agree with what is tested."""

import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from edu_lib.measure import load_result
from tools.chapters import ROOT

HUB = ROOT / "docs" / "hub"


@pytest.fixture
def config(monkeypatch):
    """The settings that jupyterhub_config.py makes, and its module's names."""

    class Spawner:
        def make_preexec_fn(self, name):
            return lambda: None

    module = types.ModuleType("jupyterhub.spawner")
    module.LocalProcessSpawner = Spawner
    monkeypatch.setitem(sys.modules, "jupyterhub", types.ModuleType("jupyterhub"))
    monkeypatch.setitem(sys.modules, "jupyterhub.spawner", module)
    settings = types.SimpleNamespace(
        **{part: types.SimpleNamespace() for part in ("JupyterHub", "Authenticator", "Spawner")}
    )
    path = HUB / "jupyterhub_config.py"
    names = {"get_config": lambda: settings, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return settings, names


def test_a_server_may_hold_a_chapter_and_no_more_than_planned(config):
    settings, names = config
    values = yaml.safe_load((HUB / "zero-to-jupyterhub.yaml").read_text(encoding="utf-8"))
    tested = re.search(r"^CHAPTER_MB = (\d+)", (ROOT / "conftest.py").read_text(), re.MULTILINE)
    assert names["CHAPTER_MB"] == int(tested[1])
    assert values["singleuser"]["memory"]["limit"] == f"{names['LIMIT_MB'] // 1000}G"
    assert settings.JupyterHub.bind_url.startswith("http://127.0.0.1:")
    assert Path(settings.Spawner.environment["THIRTY_FRAMES_DATA"]).is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="the hub's limit of memory is Linux's")
def test_a_server_starts_with_its_limit_and_finds_the_labs(config, tmp_path, monkeypatch):
    settings, names = config
    home = types.SimpleNamespace(pw_dir=str(tmp_path))
    monkeypatch.setitem(names, "pwd", types.SimpleNamespace(getpwnam=lambda name: home))
    prepare = names["ClassSpawner"]().make_preexec_fn("learner")
    look = "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    command = [sys.executable, "-c", look]
    seen = subprocess.check_output(command, preexec_fn=prepare, text=True)
    assert int(seen) == names["LIMIT_MB"] * 10**6
    assert (tmp_path / "work" / "labs" / "00_start_here.ipynb").is_file()
    # the kit is root's: what a chapter draws and keeps goes to the learner's home
    spawner = types.SimpleNamespace(user=types.SimpleNamespace(name="learner"))
    cache = settings.Spawner.environment["THIRTY_FRAMES_CACHE"](spawner)
    assert Path(cache).is_relative_to(tmp_path)


def test_a_class_that_comes_at_once_is_neither_refused_nor_given_up(config):
    settings, _ = config
    spawns = settings.JupyterHub.concurrent_spawn_limit
    assert spawns >= settings.JupyterHub.active_server_limit
    assert settings.Spawner.http_timeout >= 300


def test_the_cluster_and_the_image_keep_the_cache_in_the_home():
    values = yaml.safe_load((HUB / "zero-to-jupyterhub.yaml").read_text(encoding="utf-8"))
    cache = values["singleuser"]["extraEnv"]["THIRTY_FRAMES_CACHE"]
    assert cache.startswith(values["singleuser"]["storage"]["homeMountPath"] + "/")
    assert f"THIRTY_FRAMES_CACHE={cache}" in (HUB / "Dockerfile").read_text(encoding="utf-8")


def test_the_trial_that_is_told_is_the_one_that_was_run():
    text = (HUB / "README.md").read_text(encoding="utf-8")
    found = load_result("hub_trial")
    told = {
        "the server is there after, seconds": found["start_seconds"],
        "the first cell has run after, seconds": found["first_cell_seconds"],
        "the whole chapter has run after, seconds": found["chapter_seconds"],
        "memory of all that a learner runs, MB": found["peak_mb"],
    }
    for name, values in told.items():
        assert f"| {name} | {values['median']:.0f} | {values['most']:.0f} |" in text
    assert (found["users"], found["errors"], found["refusals"]) == (8, 0, 0)
    assert found["note"] in text


def test_every_file_that_is_copied_into_the_image_is_there():
    text = (HUB / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    assert copied
    for path in [path for line in copied for path in line]:
        assert (ROOT / path).exists(), path
    words = {line.split()[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert words - {"pathlib.Path(sysconfig.get_path('purelib'),"} <= {
        *("FROM", "ARG", "RUN", "COPY", "ENV", "USER", "WORKDIR", "EXPOSE", "CMD")
    }


def test_binder_and_the_devcontainer_use_the_files_of_the_kit():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    folder = ROOT / ".devcontainer"
    assert (folder / container["build"]["dockerfile"]).resolve() == HUB / "Dockerfile"
    assert (folder / container["build"]["context"]).resolve() == ROOT
    rows = (ROOT / ".binder" / "requirements.txt").read_text().split()
    assert all((ROOT / ".binder" / name).is_file() for name in rows if not name.startswith("-"))
    subprocess.run(["bash", "-n", str(ROOT / ".binder" / "postBuild")], check=True)


def test_a_study_that_is_named_takes_a_scheduler():
    text = (HUB / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"python3 -m studies\.(\w+) --scheduler", text)
    assert named
    for name in named:
        assert "scheduler" in (ROOT / "studies" / f"{name}.py").read_text(encoding="utf-8")
