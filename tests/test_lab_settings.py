"""What JupyterLab is told for the kit; test_browser_keys.py tries it with keys."""

import json
import re
from pathlib import Path

from jupyterlab.commands import get_app_dir

from tools import lab_settings
from tools.chapters import ROOT


def test_every_jupyterlab_is_given_the_settings_of_the_kit(tmp_path):
    for file in (".binder/postBuild", "docs/hub/Dockerfile", "docs/hub/README.md"):
        assert "-m tools.lab_settings" in (ROOT / file).read_text(encoding="utf-8"), file
    written = lab_settings.write(tmp_path)
    assert json.loads(written.read_text(encoding="utf-8")) == lab_settings.SETTINGS
    assert lab_settings.are_written(tmp_path)


def test_the_bare_keys_are_those_of_the_jupyterlab_that_is_installed():
    schemas = Path(get_app_dir()) / "schemas" / "@jupyterlab" / "notebook-extension"
    shortcuts = json.loads((schemas / "tracker.json").read_text(encoding="utf-8"))
    found = {
        " ".join(each["keys"]): each["command"].removeprefix("notebook:")
        for each in shortcuts["jupyter.lab.shortcuts"]
        if each["selector"] == lab_settings.COMMAND_MODE
        and any(each["keys"])
        and not re.search("Ctrl|Accel|Shift|Alt", " ".join(each["keys"]))
    }
    assert found == lab_settings.BARE_KEYS
