"""The server answers as the network beside the camera does, refuses clearly, and always stops."""

import os
import socket
import subprocess
import sys

import numpy as np
import psutil
import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib import edge
from edu_lib.edge.server import wait_until_ready

SIZE = (32, 64)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(32, 5))
    file = tmp_path_factory.mktemp("edge") / "network.onnx"
    return edu.export_onnx(model, torch.zeros(1, 3, *SIZE), file)


@pytest.fixture(scope="module")
def server(path):
    with edge.serve(path) as running:
        yield running


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("form", ["png", "raw"])
def test_lossless_frames_come_back_as_they_were(pictures, form):
    for picture in pictures:
        assert np.array_equal(edge.decode_frame(edge.encode_frame(picture, form)), picture)


def test_raw_has_a_header_of_8_bytes_and_jpeg_is_smaller(pictures):
    smooth = np.full((64, 64, 3), 120, dtype=np.uint8)
    assert len(edge.encode_frame(smooth, "raw")) == 8 + smooth.size
    assert len(edge.encode_frame(smooth, "jpeg")) < smooth.size // 10
    assert np.abs(edge.decode_frame(edge.encode_frame(smooth)).astype(int) - 120).max() <= 2


def test_encode_refuses_what_is_no_picture():
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\], got float64"):
        edge.encode_frame(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="form is one of jpeg, png, raw"):
        edge.encode_frame(np.zeros((4, 4, 3), dtype=np.uint8), "gif")


@pytest.mark.parametrize("form", ["jpeg", "png", "raw"])
def test_answers_equal_those_of_the_local_network(server, path, pictures, form):
    local = edge.Network(path)
    for picture in pictures:
        frame = edge.encode_frame(picture, form)
        far, near = server.predict(frame), local.answer(frame)
        assert far["outputs"].keys() == near.keys() == {"y_hat"}
        assert np.array_equal(np.float32(far["outputs"]["y_hat"]), near["y_hat"])
        assert far["server_ms"] > 0


def test_the_local_network_equals_pytorch_and_runs_on_pictures_too(path, pictures):
    X = torch.from_numpy(pictures[:1]).permute(0, 3, 1, 2).float() / 255
    read = edge.Network(path).read(pictures[0])["y_hat"]
    np.testing.assert_allclose(read, edu.run_onnx(path, X), atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 422, "the frame is empty"),
        (b"not a picture", 422, "the 13 bytes are no picture: send JPEG, PNG or raw"),
        (edge.encode_frame(np.zeros((8, 8, 3), np.uint8)), 422, "takes pictures of 32x64, got 8x8"),
        (edge.encode_frame(np.zeros((*SIZE, 3), np.uint8), "raw")[:-1], 422, "has 6152 bytes"),
        (edge.encode_frame(np.zeros((*SIZE, 3), np.uint8), "png")[:60], 422, "is damaged"),
        (b"RAW8", 422, "begins with 8 bytes, got 4"),
        (bytes(10_000_001), 413, "at most 10,000,000 bytes"),
    ],
    ids=["empty", "text", "size", "short raw", "cut png", "header alone", "too large"],
)
def test_wrong_bytes_get_a_4xx_and_one_sentence(server, body, status, sentence):
    with pytest.raises(edge.RefusedFrame, match=sentence) as refused:
        server.predict(body)
    assert refused.value.status == status
    assert "\n" not in str(refused.value)


def test_it_still_answers_after_refusing(server, pictures):
    with pytest.raises(edge.RefusedFrame):
        server.predict(b"x")
    assert server.predict(edge.encode_frame(pictures[0]))["outputs"]


def test_process_and_port_are_gone_after_the_block(path):
    with edge.serve(path) as server:
        pid, port = server.process.pid, server.port
        assert server.running
        assert not port_is_free(port)
        assert server.url == f"http://127.0.0.1:{port}"
    assert not server.running
    assert not psutil.pid_exists(pid)
    assert port_is_free(port)
    with pytest.raises(ConnectionError, match="is the server running"):
        server.predict(b"x")


def test_they_are_gone_when_the_block_raises(path):
    with pytest.raises(KeyboardInterrupt), edge.serve(path) as server:
        raise KeyboardInterrupt
    assert not psutil.pid_exists(server.process.pid)
    assert port_is_free(server.port)


def test_the_server_ends_when_its_parent_is_killed(path):
    code = (
        "import sys\nfrom edu_lib import edge\n"
        f"with edge.serve({str(path)!r}) as server:\n"
        "    print(server.process.pid, flush=True)\n    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=edu.measure.results.REPOSITORY,
    )
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs([child], timeout=30)
    assert not alive


def test_no_file_and_no_network_are_told_clearly(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no ONNX file"), edge.serve("none.onnx"):
        pass
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r"did not start: .* is damaged"), edge.serve(damaged):
        pass


def test_a_server_that_says_nothing_is_ended(tmp_path):
    silent = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with (
        open(tmp_path / "errors", "w+") as errors,
        pytest.raises(RuntimeError, match=r"did not start within 0\.5 s"),
    ):
        wait_until_ready(silent, errors, seconds=0.5)
    assert silent.wait(10) != 0
    silent.communicate()


def test_a_network_that_reads_no_pictures_is_refused(tmp_path):
    path = edu.export_onnx(nn.Linear(4, 2), torch.zeros(1, 4), tmp_path / "linear.onnx")
    with pytest.raises(ValueError, match="not one batch of pictures"):
        edge.Network(path)


def test_the_server_process_runs_without_pytorch(server):
    maps = psutil.Process(server.process.pid).memory_maps() if os.name == "posix" else []
    assert not [m.path for m in maps if "libtorch" in m.path]
