"""Someone on the way reads plain frames; of encrypted ones nothing but sizes and times."""

import numpy as np
import pytest
import torch
from torch import nn

import edu_lib as edu
from classroom import cloud

SIZE = (32, 64)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    file = tmp_path_factory.mktemp("edge") / "network.onnx"
    return edu.export_onnx(model, torch.zeros(1, 3, *SIZE), file)


@pytest.fixture(scope="module")
def frames():
    """Four pictures with more and more detail, so that their JPEGs differ in size."""
    rng = np.random.default_rng(0)
    noise = rng.integers(-100, 100, (*SIZE, 3))
    pictures = [(128 + share * noise).astype(np.uint8) for share in (0.0, 0.3, 0.6, 1.0)]
    return [cloud.encode_frame(picture) for picture in pictures]


def listen(path, frames, tls):
    with cloud.serve(path, tls=tls) as server, cloud.eavesdrop(server.port) as tap:
        client = server.client(tap.port)
        answers = [client.predict(frame)["outputs"] for frame in frames]
        client.close()
    return tap, answers


@pytest.fixture(scope="module")
def plain(path, frames):
    return listen(path, frames, tls=False)


@pytest.fixture(scope="module")
def encrypted(path, frames):
    return listen(path, frames, tls=True)


def test_the_relay_changes_nothing(path, frames, plain, encrypted):
    local = cloud.Network(path)
    expected = [local.answer(frame)["y_hat"].tolist() for frame in frames]
    for _, answers in (plain, encrypted):
        assert [answer["y_hat"] for answer in answers] == expected


def test_the_very_pictures_are_found_in_plain_bytes(frames, plain):
    tap, _ = plain
    found = cloud.find_pictures(tap.bytes_of(cloud.UP))
    assert len(found) == len(frames)
    for picture, frame in zip(found, frames, strict=True):
        assert np.array_equal(picture, cloud.decode_frame(frame))
        assert frame in tap.bytes_of(cloud.UP)
    assert b"y_hat" in tap.bytes_of(cloud.DOWN)


def test_ciphertext_holds_no_plaintext(frames, encrypted):
    tap, _ = encrypted
    seen = tap.bytes_of(cloud.UP) + tap.bytes_of(cloud.DOWN)
    assert cloud.find_pictures(seen) == []
    for frame in frames:
        pieces = [frame[at : at + 12] for at in range(0, len(frame) - 12, 12)]
        assert not any(piece in seen for piece in pieces)
    assert b"y_hat" not in seen
    assert b"/predict" not in seen


def test_sizes_and_times_remain_visible(frames, plain, encrypted):
    sizes = np.array([len(frame) for frame in frames])
    assert len(set(sizes)) == len(sizes)
    for tap, _ in (plain, encrypted):
        # the end of the TLS handshake may travel with the first frame
        exchanges = tap.exchanges()[-len(frames) + 1 :]
        # what is added to a frame is nearly the same for all: headers, and TLS's own bytes
        added = np.array([one.bytes_up for one in exchanges]) - sizes[1:]
        assert (added > 0).all()
        assert np.ptp(added) <= 2
        seconds = [one.seconds for one in exchanges]
        assert seconds == sorted(seconds)


def test_a_stranger_is_not_trusted(path, frames):
    """A client that trusts another authority refuses this server: nobody can stand in for it."""
    with cloud.serve(path, tls=True) as one, cloud.serve(path, tls=True) as other:
        stranger = cloud.Client("127.0.0.1", one.port, other.certificate.client_context())
        with pytest.raises(ConnectionError, match=r"(?i)certificate"):
            stranger.predict(frames[0])
        assert one.predict(frames[0])["outputs"]
    assert "TLS" in repr(one)


def test_pictures_are_found_between_other_bytes():
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for form in ("png", "raw"):
        heap = b"GET / \xff\xd8\xff nonsense" + cloud.encode_frame(picture, form) + bytes(50)
        (found,) = cloud.find_pictures(heap)
        assert np.array_equal(found, picture)
    assert cloud.find_pictures(rng.bytes(300_000)) == []
    assert cloud.find_pictures(b"") == []


def test_the_relay_ends_with_its_block(path, frames):
    with cloud.serve(path) as server:
        with cloud.eavesdrop(server.port) as tap:
            left_open = server.client(tap.port)
            left_open.predict(frames[0])
        with pytest.raises(ConnectionError):
            server.client(tap.port).predict(frames[0])
        left_open.close()
        assert server.predict(frames[0])["outputs"]
    assert "bytes up" in repr(tap)


def test_a_relay_may_change_an_answer_and_tls_refuses_it(path, frames):
    def other(data: bytes) -> bytes:
        return data.replace(b"y_hat", b"z_hat")

    with cloud.serve(path) as server, cloud.eavesdrop(server.port, other) as tap:
        client = server.client(tap.port)
        assert list(client.predict(frames[0])["outputs"]) == ["z_hat"]
        client.close()
        assert b"y_hat" in tap.bytes_of(cloud.DOWN), "the tap keeps what the server sent"

    awake = False

    def flip(data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if awake else data

    with cloud.serve(path, tls=True) as server, cloud.eavesdrop(server.port, flip) as tap:
        client = server.client(tap.port)
        assert client.predict(frames[0])["outputs"]
        awake = True
        with pytest.raises(ConnectionError):
            client.predict(frames[0])
        client.close()
