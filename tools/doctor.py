"""Describe this machine and the kit on it: python3 kit.py doctor

Each line is marked "ok" or "problem"; below a problem stands what to do about it. It starts on a
machine with nothing but Python, so packages are imported where they are needed, and may be missing.
"""

from __future__ import annotations  # an older Python must come as far as saying that it is one

import hashlib
import os
import platform
import re
import shutil
import sys
import textwrap
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import kit
from tools import guard, venv

NEEDED_RAM_GB = 3
SPARE_DISK_GB = 1
PIN = re.compile(r"^([\w.-]+)==([\w.+]+)", re.MULTILINE)
CHECKSUM = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.MULTILINE)
INSTALL = "Run `python3 kit.py lab`: it makes .venv and installs the packages."


@dataclass(frozen=True)
class Line:
    """One line of the report. advice: what to do about a problem; empty where all is well."""

    name: str
    found: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.advice

    def __str__(self) -> str:
        mark = "ok" if self.ok else "problem"
        first = textwrap.wrap(self.found, 76) or [""]
        advice = [f"What to do: {self.advice}"] if self.advice else []
        rest = first[1:] + [row for text in advice for row in textwrap.wrap(text, 76)]
        return "\n".join([f"{mark:9}{self.name:12}{first[0]}", *(" " * 21 + row for row in rest)])


def main(arguments: list[str], root: Path = kit.ROOT) -> int:
    """Print the report; returns 0 if there is no problem, 1 if there is one, 2 if misused."""
    if arguments:
        print(f"doctor takes no arguments, got: {' '.join(arguments)}")
        return 2
    lines = report(root)
    print_report(lines)
    return int(not all(line.ok for line in lines))


def print_report(lines: list[Line] | None = None) -> None:
    """Print `lines`, or else the report on this machine, and what is to be mended."""
    lines = report() if lines is None else lines
    print("\n".join(map(str, lines)))
    problems = dict.fromkeys(line.name for line in lines if not line.ok)
    print()
    print(f"To mend: {', '.join(problems)}." if problems else "This machine is ready.")


def report(root: Path = kit.ROOT) -> list[Line]:
    """What this machine and the kit in `root` are, and what they lack. Shown in chapter 00."""
    return [
        kit_version(root),
        python_version(),
        folder(root),
        environment(root),
        packages(root),
        *machine(),
        disk(root),
        *data(root),
        port(),
        browser(),
    ]


def kit_version(root: Path) -> Line:
    """The version that pyproject.toml gives."""
    project = root / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    version = re.search(r'^version = "(.+)"', text, re.MULTILINE)
    if version is None:
        return Line("kit", "no version", restore("pyproject.toml", root))
    return Line("kit", version[1])


def python_version() -> Line:
    """The Python that runs, and whether the packages support it."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        venv.check_python(sys.version_info[:2])
    except SystemExit as reason:
        return Line("Python", found, str(reason))
    return Line("Python", found)


def folder(root: Path) -> Line:
    """Whether the kit's own folder can be written, as lab, test and build must."""
    try:
        guard.check_writable(root)
    except SystemExit:
        advice = "Copy the kit's folder to a place of your own and run kit.py there."
        return Line("folder", "it cannot be written, or its disk is full", advice)
    return Line("folder", "can be written")


def environment(root: Path) -> Line:
    """Whether .venv stands, starts, and was installed from the present requirements."""
    folder = root / ".venv"
    if not folder.exists():
        return Line(".venv", "not made yet", INSTALL)
    if not venv.starts(venv.python_of(folder)):
        advice = "Run `python3 kit.py lab`: it makes the folder anew."
        return Line(".venv", "half-made: its Python does not start", advice)
    if not venv.is_installed(venv.LEARNER, root):
        advice = "Run `python3 kit.py lab`: it installs what is missing."
        return Line(".venv", "does not match requirements.txt", advice)
    return Line(".venv", "installed from requirements.txt")


def packages(root: Path) -> Line:
    """The installed version of each pinned package, against the version wanted."""
    wanted = PIN.findall((root / venv.LEARNER).read_text(encoding="utf-8"))
    found, missing, wrong = [], [], []
    for name, version in wanted:
        installed = installed_version(name)
        # 2.14.1+cpu is a build of 2.14.1
        if installed is None:
            missing.append(name)
        elif installed.partition("+")[0] != version:
            wrong.append(f"{name} {installed} ({version} wanted)")
        else:
            found.append(f"{name} {installed}")
    if missing:
        wrong.append(f"missing: {', '.join(missing)}")
    if not wrong:
        return Line("packages", ", ".join(found))
    advice = INSTALL
    if venv.is_installed(venv.LEARNER, root):
        advice = (
            f"Delete .venv/{venv.LEARNER}.installed and run `python3 kit.py lab`: "
            "it installs the packages again."
        )
    return Line("packages", ", ".join(wrong), advice)


def installed_version(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def machine() -> list[Line]:
    """Processor, its vector instructions, threads, GPU, memory; less is known without PyTorch."""
    try:
        from edu_lib.measure.machine import describe_machine

        this = describe_machine()
    except (ImportError, OSError) as error:
        return machine_without_packages(error)
    return [
        Line("processor", this["cpu"]),
        Line("vectors", ", ".join(this["isa"])),
        Line("threads", f"{this['threads']} on {this['cores']} cores"),
        Line("GPU", this["gpu"] or "none that PyTorch can use; no chapter needs one"),
        memory(this["ram_gb"]),
    ]


def machine_without_packages(error: Exception) -> list[Line]:
    """What the standard library alone tells, and that the library of the kit does not start."""
    advice = "Mend .venv and packages first."
    if isinstance(error, OSError) and os.name == "nt":
        advice = "Install the Microsoft Visual C++ Redistributable, which PyTorch needs."
    pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", ()))
    lines = [
        Line("library", f"edu_lib does not start: {error}", advice),
        Line("processor", platform.processor() or platform.machine()),
        Line("threads", str(os.cpu_count())),
    ]
    if pages:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        lines.append(memory(round(size / 2**30, 1)))
    return lines


def memory(ram_gb: float) -> Line:
    """The memory of the machine, and whether it is enough for every chapter."""
    advice = "Close other programs before a chapter that trains, or use a machine with 4 GB."
    return Line("memory", f"{ram_gb:.1f} GB", "" if ram_gb >= NEEDED_RAM_GB else advice)


def disk(root: Path) -> Line:
    """Free space, against what the packages still need."""
    free_gb = shutil.disk_usage(root).free / 1e9
    needed_gb = SPARE_DISK_GB if venv.is_installed(venv.LEARNER, root) else venv.NEEDED_GB
    advice = f"Make room until {needed_gb} GB are free."
    return Line("free disk", f"{free_gb:.1f} GB", "" if free_gb >= needed_gb else advice)


def data(root: Path) -> list[Line]:
    """The archives of data/ against the checksums in data/README.md; one line for each bad one."""
    readme = root / "data" / "README.md"
    wanted = CHECKSUM.findall(readme.read_text(encoding="utf-8")) if readme.is_file() else []
    if not wanted:
        return [Line("data", "no checksums", restore("data/README.md", root))]
    lines = []
    for sha256, name in wanted:
        archive = root / "data" / name
        advice = f"{restore(f'data/{name}', root)} data/README.md names its origin."
        if not archive.is_file():
            lines.append(Line("data", f"{name} is missing", advice))
        elif hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
            lines.append(Line("data", f"{name} is damaged", advice))
    return lines or [Line("data", f"{len(wanted)} of {len(wanted)} archives as published")]


def restore(name: str, root: Path) -> str:
    """How to get back a file of the kit, which was cloned or came as a ZIP file."""
    if (root / ".git").exists():
        return f"Restore it: `git checkout -- {name}`."
    return f"Unpack {name} again from the ZIP file that the kit came in."


def port() -> Line:
    """Where `kit.py lab` will answer."""
    ports = range(kit.FIRST_PORT, kit.FIRST_PORT + kit.NUM_PORTS)
    free = next((number for number in ports if kit.is_free(number)), None)
    if free is None:
        found = f"{ports[0]} to {ports[-1]} are all taken"
        return Line("port", found, "Close some programs, or run `python3 kit.py lab --port=9999`.")
    if free == kit.FIRST_PORT:
        return Line("port", f"{free} is free")
    return Line("port", f"{kit.FIRST_PORT} is in use; `kit.py lab` takes {free}")


def browser() -> Line:
    """Whether the tests in a browser can run; nothing else needs this one."""
    found = kit.find_browser()
    name = Path(found).name if found else "no Chromium or Chrome: the browser tests are left out"
    return Line("browser", name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
