"""The cache of generated splits: whole, resumed, or rebuilt; never wrong."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from roads import PLACES, WEATHERS, chunks, road_split, scene, splits

SIZE = {"height": 32, "width": 64, "workers": 1}


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 2)


def _expect(data, split, count):
    assert len(data["images"]) == count
    for index in range(count):
        sample = scene(splits.FIRST_SEED[split] + index, 32, 64)
        np.testing.assert_array_equal(data["images"][index], sample.image)
        np.testing.assert_array_equal(data["segmentation"][index], sample.segmentation)
        np.testing.assert_array_equal(data["depth"][index], sample.depth.astype(np.float16))
        assert data["steering"][index] == np.float32(sample.steering)
        assert data["vehicles"][index] == sample.vehicles
        assert (data["place"][index], data["weather"][index]) == (sample.place, sample.weather)


def _shown(folder):
    """The names in a folder, without the hidden file that processes lock."""
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


def test_a_split_holds_the_scenes_of_its_seeds(tmp_path, small_chunks):
    data = road_split("validation", 5, root=tmp_path, **SIZE)
    _expect(data, "validation", 5)
    assert data["images"].dtype == np.uint8
    assert data["depth"].dtype == np.float16
    assert set(data["place"]) <= set(PLACES)
    assert set(data["weather"]) <= set(WEATHERS)
    assert _shown(tmp_path) == ["validation-5-32x64"]


def test_the_second_call_reads_and_does_not_draw(tmp_path, monkeypatch):
    first = road_split("test", 3, root=tmp_path, **SIZE)
    monkeypatch.setattr(chunks, "generate_chunk", lambda job: pytest.fail("drawn again"))
    second = road_split("test", 3, root=tmp_path, **SIZE)
    np.testing.assert_array_equal(first["images"], second["images"])


def test_a_change_in_memory_does_not_reach_the_file(tmp_path):
    data = road_split("test", 2, root=tmp_path, **SIZE)
    data["images"][:] = 0
    _expect(road_split("test", 2, root=tmp_path, **SIZE), "test", 2)


def test_seeds_of_the_splits_are_disjoint():
    ranges = [range(first, first + splits.MOST) for first in splits.FIRST_SEED.values()]
    for index, one in enumerate(ranges):
        for other in ranges[index + 1 :]:
            assert one[-1] < other[0] or other[-1] < one[0]


def test_two_processes_give_the_same_as_one(tmp_path, small_chunks):
    data = road_split("train", 4, 32, 64, root=tmp_path, workers=2)
    _expect(data, "train", 4)


def test_an_interrupted_generation_goes_on_where_it_stopped(tmp_path, small_chunks, monkeypatch):
    draw, drawn = chunks.generate_chunk, []

    def interrupted(job):
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(job[1])
        return draw(job)

    monkeypatch.setattr(chunks, "generate_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        road_split("train", 6, root=tmp_path, **SIZE)
    assert not (tmp_path / "train-6-32x64").exists()
    again = []
    monkeypatch.setattr(chunks, "generate_chunk", lambda job: (again.append(job[1]), draw(job)))
    data = road_split("train", 6, root=tmp_path, **SIZE)
    assert len(again) == 1
    assert not set(again) & set(drawn)
    _expect(data, "train", 6)


def test_a_half_written_chunk_is_drawn_again(tmp_path, small_chunks, monkeypatch):
    recipe = splits._recipe("train", 4, 32, 64)
    partial = tmp_path / f"train-4-32x64.{recipe['checksum'][:12]}.partial"
    partial.mkdir()
    (partial / "chunk_0000000.npz").write_bytes(b"PK\x03\x04 half a file")
    _expect(road_split("train", 4, root=tmp_path, **SIZE), "train", 4)


@pytest.mark.parametrize("name", ["images", "depth", "segmentation", "steering"])
def test_a_damaged_file_is_noticed_and_drawn_anew(tmp_path, name):
    road_split("test", 2, root=tmp_path, **SIZE)
    path = tmp_path / "test-2-32x64" / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=f"damaged .{name}.npy"):
        data = road_split("test", 2, root=tmp_path, **SIZE)
    _expect(data, "test", 2)


@pytest.mark.parametrize("loss", ["recipe.json", "images.npy"])
def test_a_missing_file_is_noticed(tmp_path, loss):
    road_split("test", 2, root=tmp_path, **SIZE)
    (tmp_path / "test-2-32x64" / loss).unlink()
    with pytest.warns(UserWarning, match="damaged"):
        _expect(road_split("test", 2, root=tmp_path, **SIZE), "test", 2)


def test_a_cut_recipe_is_noticed(tmp_path):
    road_split("test", 2, root=tmp_path, **SIZE)
    path = tmp_path / "test-2-32x64" / "recipe.json"
    path.write_text(path.read_text()[:40])
    with pytest.warns(UserWarning, match="damaged"):
        _expect(road_split("test", 2, root=tmp_path, **SIZE), "test", 2)


def test_wrong_sizes_under_the_right_name_are_noticed(tmp_path):
    road_split("test", 2, root=tmp_path, **SIZE)
    folder = tmp_path / "test-2-32x64"
    images = np.load(folder / "images.npy")
    np.save(folder / "images.npy", images[:, :16])
    recipe = json.loads((folder / "recipe.json").read_text())
    recipe["files"]["images"] = splits._file_checksum(folder / "images.npy")
    (folder / "recipe.json").write_text(json.dumps(recipe))
    with pytest.warns(UserWarning, match="wrong shape"):
        _expect(road_split("test", 2, root=tmp_path, **SIZE), "test", 2)


def test_a_changed_recipe_is_drawn_anew(tmp_path, monkeypatch):
    road_split("test", 2, root=tmp_path, **SIZE)
    monkeypatch.setattr(splits, "GENERATOR_VERSION", splits.GENERATOR_VERSION + 1)
    with pytest.warns(UserWarning, match="another recipe"):
        road_split("test", 2, root=tmp_path, **SIZE)


def test_the_fingerprint_changes_with_the_drawing(monkeypatch):
    before = splits._fingerprint()
    assert splits._fingerprint() == before
    monkeypatch.setattr(splits, "scene", lambda seed, *size: scene(seed + 1, *size))
    assert splits._fingerprint() != before


def test_other_sizes_do_not_share_a_folder(tmp_path):
    road_split("test", 2, root=tmp_path, **SIZE)
    data = road_split("test", 2, 32, 96, root=tmp_path, workers=1)
    assert data["images"].shape == (2, 32, 96, 3)
    assert len(_shown(tmp_path)) == 2


def test_a_disk_that_is_full_from_the_start(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(chunks.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="no room on the disk") as caught:
        road_split("test", 2, root=tmp_path, **SIZE)
    assert caught.value.errno == errno.ENOSPC


def test_a_disk_that_fills_up_leaves_nothing_broken(tmp_path, small_chunks, monkeypatch):
    save = np.savez

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(chunks.np, "savez", full)
    with pytest.raises(OSError, match="Free some space and call again"):
        road_split("test", 4, root=tmp_path, **SIZE)
    left = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert left == [".test-4-32x64.lock"]
    monkeypatch.setattr(chunks.np, "savez", save)
    _expect(road_split("test", 4, root=tmp_path, **SIZE), "test", 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"split": "val"}, "split must be one of train, validation, test"),
        ({"count": 0}, "count must be between"),
        ({"height": 8}, "at least 32"),
        ({"workers": 0}, "workers must be at least 1"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        road_split(**({"split": "test", "count": 2, "root": tmp_path} | SIZE | arguments))


def test_a_script_without_a_main_guard_is_told_what_to_do(tmp_path):
    script = tmp_path / "careless.py"
    script.write_text(
        "from pathlib import Path\n"
        "from roads import chunks, road_split\n"
        "chunks.CHUNK = 2\n"
        f"road_split('train', 4, 32, 64, root=Path({str(tmp_path)!r}), workers=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600)
    assert done.returncode != 0
    assert 'below `if __name__ == "__main__":`' in done.stderr


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, number):
    def refuse(self, *arguments, **named):
        raise OSError(number, "refused", str(self))

    monkeypatch.setattr(splits.FileLock, "acquire", refuse)
    with pytest.raises(OSError, match="this user may not write: allow it") as caught:
        road_split("test", 2, root=tmp_path, **SIZE)
    assert caught.value.errno == number
    assert "\n" not in str(caught.value)


def test_a_whole_split_is_read_from_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    road_split("test", 2, root=tmp_path, **SIZE)
    monkeypatch.setattr(splits.FileLock, "acquire", lambda *_: pytest.fail("it wants to write"))
    _expect(road_split("test", 2, root=tmp_path, **SIZE), "test", 2)


def test_the_cache_lies_where_the_variable_says(tmp_path):
    command = [sys.executable, "-c", "from roads.splits import CACHE_FOLDER; print(CACHE_FOLDER)"]
    variables = os.environ | {"THIRTY_FRAMES_CACHE": str(tmp_path)}
    said = subprocess.check_output(command, env=variables, text=True)
    assert said.strip() == str(tmp_path / "roads")


def test_a_process_that_finished_but_for_the_last_step_is_not_repeated(tmp_path, monkeypatch):
    """Killed after the recipe was written: all arrays are there, some chunks are not."""
    replace = os.replace

    def stopped(source, target):
        if str(target).endswith("test-3-32x64"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(splits.os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        road_split("test", 3, root=tmp_path, **SIZE)
    monkeypatch.setattr(splits.os, "replace", replace)
    monkeypatch.setattr(chunks, "generate_chunk", lambda job: pytest.fail("drawn again"))
    _expect(road_split("test", 3, root=tmp_path, **SIZE), "test", 3)


DRAW = """
import sys
from pathlib import Path
from roads import chunks, road_split
if __name__ == "__main__":
    chunks.CHUNK = 4
    count, root, workers = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    data = road_split("train", count, 32, 64, root=root, workers=workers)
    print(len(data["images"]))
"""


@pytest.fixture
def draw(tmp_path):
    """Starts a process that draws `count` scenes into tmp_path / "cache"."""
    script = tmp_path / "draw.py"
    script.write_text(DRAW)
    started = []

    def start(count, workers=1):
        command = [sys.executable, script, str(count), tmp_path / "cache", str(workers)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_three_processes_that_draw_one_split_at_once_all_get_it(tmp_path, draw):
    together = [draw(12) for _ in range(3)]
    said = [process.communicate() for process in together]
    assert [out for out, _ in said] == ["12\n"] * 3, said
    assert sum("Another process draws" in error for _, error in said) <= 2
    _expect(road_split("train", 12, root=tmp_path / "cache", **SIZE), "train", 12)


def _workers_at_work(process, root):
    """The worker processes, once a chunk of theirs is written."""
    parent = psutil.Process(process.pid)
    while not list(root.glob("*.partial/chunk_*.npz")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return parent.children(recursive=True)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGINT"])
def test_workers_end_with_their_parent_and_the_next_call_goes_on(tmp_path, draw, number):
    root = tmp_path / "cache"
    process = draw(400, workers=2)
    workers = _workers_at_work(process, root)
    assert workers
    process.send_signal(getattr(signal, number))
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    kept = {path.name: path.stat().st_mtime_ns for path in root.glob("*.partial/chunk_*.npz")}
    assert 1 <= len(kept) < 100
    again = draw(400, workers=2)
    while len(list(root.glob("*.partial/chunk_*.npz"))) <= len(kept):
        assert again.poll() is None, again.communicate()
        time.sleep(0.05)
    for name, written in kept.items():
        (path,) = root.glob(f"*.partial/{name}")
        assert path.stat().st_mtime_ns == written
