"""The cache of generated splits: whole, resumed, or rebuilt; never wrong."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from edu_lib.roads import PLACES, WEATHERS, chunks, road_split, scene, splits

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


def test_a_split_holds_the_scenes_of_its_seeds(tmp_path, small_chunks):
    data = road_split("validation", 5, root=tmp_path, **SIZE)
    _expect(data, "validation", 5)
    assert data["images"].dtype == np.uint8
    assert data["depth"].dtype == np.float16
    assert set(data["place"]) <= set(PLACES)
    assert set(data["weather"]) <= set(WEATHERS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["validation-5-32x64"]


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
    assert len(list(tmp_path.iterdir())) == 2


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
    assert left == []
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
        "from edu_lib.roads import chunks, road_split\n"
        "chunks.CHUNK = 2\n"
        f"road_split('train', 4, 32, 64, root=Path({str(tmp_path)!r}), workers=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert 'below `if __name__ == "__main__":`' in done.stderr
