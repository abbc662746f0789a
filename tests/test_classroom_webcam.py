"""The camera's widget without a browser: pictures come as messages, are read, and are not kept."""

import io

import numpy as np
import pytest
from PIL import Image

import classroom
from classroom import webcam


def jpeg(colour, size=(320, 240)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def strongest(picture):
    """The colour that a picture has most of, in percent of all."""
    light = np.asarray(picture, float).sum((0, 1))
    shares = sorted(zip(("red", "green", "blue"), 100 * light / light.sum(), strict=True),
                    key=lambda each: -each[1])  # fmt: skip
    return shares


def sent(widget, content, *buffers):
    widget._handle_msg({"content": {"data": {"method": "custom", "content": content}},
                        "buffers": [memoryview(each) for each in buffers]})  # fmt: skip


def test_a_picture_from_the_page_is_read_and_shown():
    widget = classroom.Webcam(strongest, example="coffee")
    assert widget.guesses[0][0] == "red"
    assert widget.status == "The kit's photograph is read as red."
    before = widget.reading
    sent(widget, {"kind": "picture"}, jpeg((0, 200, 20)))
    assert [what for what, _ in widget.guesses] == ["green", "blue", "red"]
    assert widget.status == "Your picture is read as green."
    assert widget.reading == before + 1
    assert (widget.picture.mode, widget.picture.size) == ("RGB", (224, 224))


def test_no_picture_of_the_learner_is_saved_with_the_notebook():
    widget = classroom.Webcam(strongest, example="coffee")
    still = widget._repr_mimebundle_()[0]["image/png"]
    names = set(widget.get_state())
    sent(widget, {"kind": "picture"}, jpeg((0, 200, 20)))
    state = widget.get_state()
    assert set(state) == names
    assert not [name for name, value in state.items() if isinstance(value, bytes | memoryview)]
    data = widget._repr_mimebundle_()[0]
    assert data["image/png"] == still
    assert data["text/plain"] == "Webcam: coffee is read as red"
    assert "The photograph coffee, which is read as red" in data["text/html"]


def test_what_cannot_be_read_says_so(monkeypatch):
    widget = classroom.Webcam(strongest, example="coffee")
    sent(widget, {"kind": "picture"}, b"no picture")
    assert widget.guesses == []
    assert widget.status == (
        "what the page sent cannot be read as a picture: save it as JPEG or PNG."
    )
    monkeypatch.setattr(webcam, "LARGEST_PICTURE", 10)
    sent(widget, {"kind": "picture"}, jpeg((0, 0, 200)))
    assert widget.status == "the picture has more than 10 bytes."
    before = widget.reading
    sent(widget, {"kind": "other"}, b"")
    sent(widget, {"kind": "picture"})
    assert widget.reading == before


def test_an_error_of_the_learners_function_shows_as_text():
    def fails(picture):
        raise KeyError("no class")

    widget = classroom.Webcam(fails)
    assert widget.status == "The picture could not be read. KeyError: 'no class'"
    assert "was not read" in widget._repr_mimebundle_()[0]["text/html"]
    nothing = classroom.Webcam(lambda picture: [])
    assert nothing.status == "The kit's photograph is read as nothing."
    with pytest.raises(FileNotFoundError, match="the kit has"):
        classroom.Webcam(strongest, example="no such")
