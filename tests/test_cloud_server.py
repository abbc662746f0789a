"""The server answers as the network beside the camera does, refuses clearly, and always stops."""

import io
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
import torch
import uvicorn
from PIL import Image
from torch import nn

import edu_lib as edu
from classroom import cloud
from classroom.cloud.server import wait_until_ready

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
    with cloud.serve(path) as running:
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
        assert np.array_equal(cloud.decode_frame(cloud.encode_frame(picture, form)), picture)


def test_raw_has_a_header_of_8_bytes_and_jpeg_is_smaller(pictures):
    smooth = np.full((64, 64, 3), 120, dtype=np.uint8)
    assert len(cloud.encode_frame(smooth, "raw")) == 8 + smooth.size
    assert len(cloud.encode_frame(smooth, "jpeg")) < smooth.size // 10
    assert np.abs(cloud.decode_frame(cloud.encode_frame(smooth)).astype(int) - 120).max() <= 2


def test_encode_refuses_what_is_no_picture():
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\], got float64"):
        cloud.encode_frame(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="form is one of jpeg, png, raw"):
        cloud.encode_frame(np.zeros((4, 4, 3), dtype=np.uint8), "gif")


@pytest.mark.parametrize("form", ["jpeg", "png", "raw"])
def test_answers_equal_those_of_the_local_network(server, path, pictures, form):
    local = cloud.Network(path)
    for picture in pictures:
        frame = cloud.encode_frame(picture, form)
        far, near = server.predict(frame), local.answer(frame)
        assert far["outputs"].keys() == near.keys() == {"y_hat"}
        assert np.array_equal(np.float32(far["outputs"]["y_hat"]), near["y_hat"])
        assert far["server_ms"] > 0


def test_the_local_network_equals_pytorch_and_runs_on_pictures_too(path, pictures):
    X = torch.from_numpy(pictures[:1]).permute(0, 3, 1, 2).float() / 255
    read = cloud.Network(path).read(pictures[0])["y_hat"]
    np.testing.assert_allclose(read, edu.run_onnx(path, X), atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 422, "the frame is empty"),
        (b"not a picture", 422, "the 13 bytes are no picture: send JPEG, PNG or raw"),
        (
            cloud.encode_frame(np.zeros((8, 8, 3), np.uint8)),
            422,
            "takes pictures of 32x64, got 8x8",
        ),
        (cloud.encode_frame(np.zeros((*SIZE, 3), np.uint8), "raw")[:-1], 422, "has 6152 bytes"),
        (cloud.encode_frame(np.zeros((*SIZE, 3), np.uint8), "png")[:60], 422, "is damaged"),
        (b"RAW8", 422, "begins with 8 bytes, got 4"),
        (bytes(10_000_001), 413, "at most 10,000,000 bytes"),
    ],
    ids=["empty", "text", "size", "short raw", "cut png", "header alone", "too large"],
)
def test_wrong_bytes_get_a_4xx_and_one_sentence(server, body, status, sentence):
    with pytest.raises(cloud.RefusedFrame, match=sentence) as refused:
        server.predict(body)
    assert refused.value.status == status
    assert "\n" not in str(refused.value)


def test_it_still_answers_after_refusing(server, pictures):
    with pytest.raises(cloud.RefusedFrame):
        server.predict(b"x")
    assert server.predict(cloud.encode_frame(pictures[0]))["outputs"]


def palette_png(size, damage):
    """A PNG with a palette, its chunks changed by damage(kind, data) and their checksums right."""
    file = io.BytesIO()
    Image.fromarray(np.zeros(size, np.uint8)).convert("P").save(file, "PNG")
    data, at, out = file.getvalue(), 8, file.getvalue()[:8]
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        for name, body in damage(kind, data[at + 8 : at + 8 + length]):
            out += struct.pack(">I4s", len(body), name) + body
            out += struct.pack(">I", zlib.crc32(name + body))
        at += 12 + length
    return out


def status_of(server, frame):
    try:
        server.predict(frame)
    except cloud.RefusedFrame as refused:
        return refused.status
    return 200


def without_palette(kind, data):
    return [] if kind == b"PLTE" else [(kind, data)]


def palette_of_two_bytes(kind, data):
    return [(kind, data[:2] if kind == b"PLTE" else data)]


def short_header(kind, data):
    return [(kind, data[:6] if kind == b"IHDR" else data)]


def bad_transparency(kind, data):
    return [(kind, data), (b"tRNS", b"")] if kind == b"PLTE" else [(kind, data)]


def bad_pixels(kind, data):
    return [(kind, b"\x78\x9c" + data[5:] if kind == b"IDAT" else data)]


def odd_physical_size(kind, data):
    return [(b"pHYs", b"\x00"), (kind, data)] if kind == b"IDAT" else [(kind, data)]


@pytest.mark.parametrize(
    "damage",
    [
        palette_of_two_bytes,
        short_header,
        bad_pixels,
        bad_transparency,
        without_palette,
        odd_physical_size,
    ],
)
def test_a_damaged_palette_picture_is_answered_or_refused_and_loses_no_other(
    server, pictures, damage
):
    assert status_of(server, palette_png(SIZE, damage)) in (200, 422)
    assert server.predict(cloud.encode_frame(pictures[0]))["outputs"]


def test_a_picture_too_small_for_the_network_is_refused(tmp_path):
    kind = onnx.TensorProto.FLOAT
    kernel = onnx.helper.make_tensor("kernel", kind, (1, 3, 5, 5), [0.1] * 75)
    X = onnx.helper.make_tensor_value_info("X", kind, (1, 3, "height", "width"))
    y_hat = onnx.helper.make_tensor_value_info("y_hat", kind, (1, 1, "rows", "columns"))
    convolution = onnx.helper.make_node("Conv", ["X", "kernel"], ["y_hat"])
    graph = onnx.helper.make_graph([convolution], "any_size", [X], [y_hat], [kernel])
    opset = [onnx.helper.make_opsetid("", 20)]
    file = tmp_path / "any_size.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), file)
    with cloud.serve(file) as server:
        with pytest.raises(cloud.RefusedFrame, match="cannot answer a picture of 3x3") as refused:
            server.predict(cloud.encode_frame(np.zeros((3, 3, 3), np.uint8)))
        assert refused.value.status == 422
        with pytest.raises(cloud.RefusedFrame, match="at most 16,000,000 pixels"):
            server.predict(cloud.encode_frame(np.zeros((4001, 4000, 3), np.uint8), "png"))


def wait_until_closed(server):
    """Wait until the server has closed its connections: 5 seconds after the last use of them."""
    process, end = psutil.Process(server.process.pid), time.monotonic() + 600
    while any(link.raddr for link in process.net_connections("tcp")):
        assert time.monotonic() < end, "the server keeps connections that nobody uses"
        time.sleep(0.05)


def test_a_client_that_pauses_opens_another_connection(server, pictures):
    frame = cloud.encode_frame(pictures[0])
    client = server.client()
    client.predict(frame)
    wait_until_closed(server)
    assert client.predict(frame)["outputs"]
    client.close()


def test_a_connection_that_the_server_closed_unseen_is_opened_again(server, pictures, monkeypatch):
    monkeypatch.setattr(cloud.server, "KEEP_SECONDS", 600.0)
    with cloud.eavesdrop(server.port) as tap:
        frame, client = cloud.encode_frame(pictures[0]), server.client(tap.port)
        client.predict(frame)
        wait_until_closed(server)
        assert client.predict(frame)["outputs"]
        client.close()


def talk(port, sent):
    """What a server answers to these bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(sent)
        said = b""
        while data := link.recv(65_536):
            said += data
    return said


def test_a_declared_body_of_10_gb_is_refused_before_it_comes(server):
    said = talk(
        server.port, b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n"
    )
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"at most 10,000,000 bytes" in said


@pytest.fixture
def patient(path, monkeypatch):
    """A server in this process with limits of a fraction of a second, and its module of limits."""
    monkeypatch.syspath_prepend(str(Path(cloud.server.__file__).parent))
    import limits

    from classroom.cloud.service import make_app

    monkeypatch.setattr(limits, "RECEIVE_SECONDS", 0.5)
    settings = {"http": limits.HeadInTime, "port": 0, "log_level": "error"}
    running = uvicorn.Server(uvicorn.Config(make_app(cloud.Network(path)), **settings))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield running.servers[0].sockets[0].getsockname()[1], limits
    running.should_exit = True
    thread.join()


def test_half_a_request_does_not_hold_the_server(patient):
    port, _ = patient
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    said = talk(port, head + b"RAW8")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 0.5 s: send it again" in said
    for beginning in (b"", b"POST /predict HTTP/1.1\r\nHost:"):
        assert talk(port, beginning) == b""


def test_frames_that_are_too_many_together_are_refused(patient, monkeypatch):
    port, limits = patient
    monkeypatch.setattr(limits, "MAX_HELD_BYTES", 1000)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
    said = talk(port, head + bytes(2000))
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"send it again later" in said


def test_process_and_port_are_gone_after_the_block(path):
    with cloud.serve(path) as server:
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
    with pytest.raises(KeyboardInterrupt), cloud.serve(path) as server:
        raise KeyboardInterrupt
    assert not psutil.pid_exists(server.process.pid)
    assert port_is_free(server.port)


def test_the_server_ends_when_its_parent_is_killed(path):
    code = (
        "import sys\nfrom classroom import cloud\n"
        f"with cloud.serve({str(path)!r}) as server:\n"
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
    _, alive = psutil.wait_procs([child], timeout=600)
    assert not alive


def test_no_file_and_no_network_are_told_clearly(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no ONNX file"), cloud.serve("none.onnx"):
        pass
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r"did not start: .* is damaged"), cloud.serve(damaged):
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
    assert silent.wait(600) != 0
    silent.communicate()


def test_a_network_that_reads_no_pictures_is_refused(tmp_path):
    path = edu.export_onnx(nn.Linear(4, 2), torch.zeros(1, 4), tmp_path / "linear.onnx")
    with pytest.raises(ValueError, match="not one batch of pictures"):
        cloud.Network(path)


def test_the_server_process_runs_without_pytorch(server):
    maps = psutil.Process(server.process.pid).memory_maps() if os.name == "posix" else []
    assert not [m.path for m in maps if "libtorch" in m.path]
