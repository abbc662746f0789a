"""How the notebooks are proved: nbval runs them, and this adds what nbval lacks.

A cell is run as Jupyter runs it, pictures are not compared, waits are long, a line says which
chapter runs, and each chapter's memory is a test of its own. Several processes share the tests, as
many as cores and memory allow, and each must itself stay small.
"""

import json
import os
import signal
import time
from pathlib import Path
from queue import Empty

import psutil
import pytest
from nbval import plugin
from nbval.kernel import RunningKernel

from tools.drift import NOT_COMPARED
from tools.peak import PeakMemory, own_peak_mb

CHAPTER_MB = 1500  # what the kernel of a chapter may hold, its children included
PATIENCE_SECONDS = 600  # nbval gives a kernel 10 s to say that it lives and 5 s for its outputs
LOOK_SECONDS = 2
RUNNER_MB = 2000  # what a process that runs tests may hold
RUNNER_GB_IN_ALL, MOST_RUNNERS = 5, 4  # with a chapter's kernel or a browser beside it
QUICK_CHAPTERS = ("00_start_here", "08_pruning")
# modules, by how their names begin, that cost much and prove less of the library
NOT_QUICK = (
    *("test_browser", "test_phone", "test_report", "test_site", "test_slides"),  # pages
    *("test_build", "test_classroom_nbval", "test_drift", "test_editions"),  # building chapters
    *("test_cloud_privacy", "test_cloud_server"),  # chapter 06: each test starts processes
    *("test_course", "test_lab_links"),  # releases, and submissions in boxes
    *("test_kit", "test_offline", "test_packaging"),  # the launcher and the wheels
    *("test_network_files", "test_studies", "test_study"),  # studies
    "test_roads_splits",  # hundreds of scenes
)
RECORD = Path(__file__).parent / "data" / "results" / "chapter_seconds.json"


class ChapterKernel(RunningKernel):
    """nbval's kernel, which a loaded machine may keep waiting."""

    def execute_cell_input(self, cell_input, allow_stdin=None):
        """Run a cell with its history stored, so that a trailing `;` hides its value."""
        return self.kc.execute(
            cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    def await_reply(self, msg_id, timeout=None):
        """Wait as long as the kernel lives, PATIENCE_SECONDS at least; else raise queue.Empty."""
        end = time.monotonic() + max(timeout or 0, PATIENCE_SECONDS)
        while True:
            try:
                return super().await_reply(msg_id, LOOK_SECONDS)
            except Empty:
                if not self.is_alive():
                    raise RuntimeError("the kernel ended while the cell ran") from None
                if time.monotonic() > end:
                    raise


plugin.RunningKernel = ChapterKernel


class Chapter(plugin.IPyNbFile):
    """A notebook: its cells, and after them a test of the memory that its kernel took."""

    memory = None

    def setup(self):
        """Start the chapter's kernel and follow that kernel's memory."""
        super().setup()
        self.skip_compare = (*self.skip_compare, *NOT_COMPARED)
        self.memory = PeakMemory(self.kernel.km.provisioner.pid).start()

    def collect(self):
        """The code cells, then the memory."""
        for cell in super().collect():
            cell.output_timeout = PATIENCE_SECONDS
            yield cell
        yield KernelMemory.from_parent(self, name="memory")

    def teardown(self):
        """Stop following the memory, then the kernel."""
        if self.memory is not None:
            self.memory.stop()
        super().teardown()


class KernelMemory(pytest.Item):
    """Fails if the kernel of a chapter and its children held more than CHAPTER_MB."""

    def runtest(self):
        """Read the peak from the operating system; the kernel still runs."""
        peak_mb = self.parent.memory.stop()
        if peak_mb > CHAPTER_MB:
            pytest.fail(f"{self.parent.path.stem} took {peak_mb:,.0f} MB", pytrace=False)

    def reportinfo(self):
        """Where a failure is reported."""
        return self.path, 0, f"{self.parent.path.name}: at most {CHAPTER_MB:,} MB of memory"


def last_time(chapter: str) -> str:
    """What a chapter took when it was measured last, for the progress line."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    seconds = record.get(chapter)
    return "never measured" if seconds is None else f"{seconds:.0f} CPU seconds when last measured"


class Progress:
    """Says which chapter runs, once each; the process that prints hears of it by this hook."""

    def __init__(self, report):
        self.report, self.told = report, set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A line before the first cell of a chapter."""
        chapter = Path(nodeid.split("::")[0])
        if chapter.suffix == ".ipynb" and chapter not in self.told:
            self.told.add(chapter)
            self.report.write_line(f"\n{chapter.stem}: {last_time(chapter.stem)}")


@pytest.hookimpl(trylast=True)  # after the plugin that makes the reporter
def pytest_configure(config):
    """Only the process with a terminal tells what runs; an interrupt reaches every one."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts so what runs behind it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    report = config.pluginmanager.get_plugin("terminalreporter")
    if report is not None:
        config.pluginmanager.register(Progress(report))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """How many processes `-n auto` starts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    fit = int(psutil.virtual_memory().total / (RUNNER_GB_IN_ALL * 1e9))
    return max(1, min(cores or 1, fit, MOST_RUNNERS))


@pytest.fixture(autouse=True, scope="session")
def small_runner():
    """Tests that load many networks must let them go: CI machines and laptops are small."""
    yield
    peak_mb = own_peak_mb(os.getpid())
    assert peak_mb < RUNNER_MB, f"this process of the tests took {peak_mb:,.0f} MB"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Notebooks become chapters."""
    collected = yield
    return [
        Chapter.from_parent(parent, path=file_path) if isinstance(node, plugin.IPyNbFile) else node
        for node in collected
    ]


def pytest_addoption(parser):
    """--quick: what proves most in three minutes."""
    parser.addoption(
        "--quick",
        action="store_true",
        help="the library and two chapters, without what is marked slow or needs a browser",
    )


def pytest_ignore_collect(collection_path, config):
    """Under --quick do not even read what is left out: to import and parse it all takes seconds."""
    if config.getoption("--quick") and collection_path.suffix in (".py", ".ipynb"):
        return None if is_quick_file(collection_path) else True
    return None


def pytest_collection_modifyitems(config, items):
    """Under --quick leave out what is slow."""
    if config.getoption("--quick"):
        kept = [item for item in items if is_quick(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def is_quick_file(path: Path) -> bool:
    """Whether a file of tests, or a chapter, belongs to the quick proof."""
    if path.suffix == ".ipynb":
        return path.stem in QUICK_CHAPTERS
    return not path.stem.startswith(NOT_QUICK)


def is_quick(item: pytest.Item) -> bool:
    """Whether an item belongs to the quick proof."""
    return is_quick_file(item.path) and not {"slow", "browser"} & set(item.keywords)
