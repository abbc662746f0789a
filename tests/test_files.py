"""Files are whole or not there."""

import os
import stat

import pytest

from edu_lib.files import replacing, write_whole


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "x.json"
    write_whole(path, lambda partial: partial.write_text("first"))

    def write_half(partial):
        partial.write_text("half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_whole(path, write_half)
    assert path.read_text() == "first"
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_the_umask_gives_the_mode(tmp_path):
    before = os.umask(0o022)
    try:
        path = write_whole(tmp_path / "x", lambda partial: partial.write_text(""))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="x cannot be written"), replacing(tmp_path / "file" / "x"):
        pass
