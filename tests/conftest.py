"""What holds for every test: the same random numbers in whatever order tests run, no result file
written, no module that leaves memory behind.

Trial figures in data/results would be taken for measured ones.
"""

import ctypes
import gc
import os
import sys
import zlib

import psutil
import pytest
import torch

from edu_lib.measure.results import RESULTS_FOLDER

WRITES = ("w", "a", "x", "+")
M_MMAP_THRESHOLD, MMAP_BYTES = -3, 1 << 20
GROWTH_BYTES, LAST_TRIM = 50 << 20, {"rss": 0}
if sys.platform == "linux":  # tensors of a megabyte go back to the system when they are freed
    getattr(ctypes.CDLL(None), "mallopt", max)(M_MMAP_THRESHOLD, MMAP_BYTES)


def refuse_results(event: str, arguments: tuple) -> None:
    """An audit hook: stops what would write a file in data/results."""
    if event == "open":
        path, mode = arguments[0], arguments[1] or ""
        target = path if any(letter in mode for letter in WRITES) else None
    else:
        target = arguments[1] if event == "os.rename" else None
    if isinstance(target, (str, os.PathLike)):
        folder = os.path.dirname(os.path.abspath(target))
        if folder == str(RESULTS_FOLDER):
            raise RuntimeError(f"a test must not write {target}: give it another folder")


sys.addaudithook(refuse_results)


def pytest_collection_finish():
    """What was imported stays: no later search for garbage, one a module at least, looks at it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Seed PyTorch for what a fixture draws, whichever test needs it first."""
    seed(request.node.nodeid, fixturedef.argname, request.param_index)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Seed PyTorch for what a test draws, whichever tests ran before it in this process."""
    seed(item.nodeid)


def seed(*place: object) -> None:
    """Another seed for every place, or a test would draw what its fixture drew."""
    torch.manual_seed(zlib.crc32(repr(place).encode()))


@pytest.fixture(autouse=True, scope="module")
def let_go(request):
    """After each module, forget what its cached functions hold, such as networks."""
    yield
    for value in list(vars(request.module).values()):
        if getattr(value, "__module__", None) == request.module.__name__:
            getattr(value, "cache_clear", int)()
    give_back()


@pytest.fixture(scope="module")
def playwright():
    """What starts browsers, once a module: a second one beside it is refused by Playwright.

    Not once a session: while it is open, nothing in this process can run an asyncio loop.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture
def closed_pages(request):
    """Closes what a test opened in a module's browser: a page holds tens of megabytes, and runs."""
    yield
    for value in request.node.funcargs.values():
        for context in getattr(value, "contexts", ()):
            context.close()


@pytest.fixture(autouse=True)
def no_growth():
    """After a test that left this process much larger, what was freed goes back to the system."""
    yield
    if psutil.Process().memory_info().rss > LAST_TRIM["rss"] + GROWTH_BYTES:
        give_back()


def give_back() -> None:
    """Frees what nobody holds, and gives it to the system where the C library can."""
    gc.collect()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    LAST_TRIM["rss"] = psutil.Process().memory_info().rss
