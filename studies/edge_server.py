"""Does the small server of chapter 06 survive 10,000 requests, and leave nothing behind?

    python3 -m studies.edge_server

Eight clients send 10,000 frames to a server on 127.0.0.1. One in twenty is bad: oversized, empty,
no picture, truncated, or of another size. A few more connections break off halfway. Then the
server must be gone: after its block, after an interrupted kernel, after a killed one. What is
counted does not depend on the speed of the machine. Two to six minutes; writes
data/results/edge_server.json.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import torch

import edu_lib as edu
from classroom import cloud
from classroom.cloud.limits import MAX_BODY_BYTES
from edu_lib.measure.results import REPOSITORY
from edu_lib.models.roadnet import RoadNet
from roads import drive
from studies import frame

NAME = "edge_server"
REQUESTS, CLIENTS, BAD_EVERY, BROKEN_OFF = 10_000, 8, 20, 100
SHAPE = (1, 3, 64, 128)
GONE_SECONDS = 30.0
ENDINGS = ("interrupted", "killed")

# a program that serves until it is ended from outside, as a notebook's kernel may be
PARENT = """
import signal, sys, time
from classroom import cloud
signal.signal(signal.SIGINT, signal.default_int_handler)  # as a kernel does, whoever started it
with cloud.serve(sys.argv[1]) as server:
    print(server.process.pid, flush=True)
    time.sleep(600)
"""


def bad_frames(good: bytes) -> list[tuple[bytes, int]]:
    """Bytes that are no fitting frame, each with the status that it must be refused with."""
    other_size = cloud.encode_frame(np.zeros((8, 8, 3), np.uint8))
    return [
        (bytes(MAX_BODY_BYTES + 1), 413),
        (b"", 422),
        (b"this is no picture", 422),
        (good[: len(good) // 2], 422),
        (other_size, 422),
    ]


def ask(client: cloud.Client, frame: bytes, status: int, outputs: dict | None) -> str:
    """Sends one frame and says what came of it. outputs: what the network answers here."""
    try:
        far = client.predict(frame)["outputs"]
    except cloud.RefusedFrame as refused:
        return "refused_bad" if refused.status == status else "refused_wrongly"
    except ConnectionError:
        return "lost"
    if status != 200:
        return "accepted_bad"
    same = all(np.array_equal(np.float32(far[name]), outputs[name]) for name in outputs)
    return "answered" if same else "answered_wrongly"


def send_all(server: cloud.Server, path: Path, requests: int) -> Counter:
    """All requests from all clients at the same time; what came of each."""
    pictures = [sample.image for sample in drive(seed=6, seconds=2, fps=10)]
    frames = [cloud.encode_frame(picture[::2, ::2]) for picture in pictures]
    local = cloud.Network(path)
    expected = [local.answer(frame) for frame in frames]
    bad = bad_frames(frames[0])
    client = server.client()

    def one(i: int) -> str:
        if i % BAD_EVERY == 0:
            return ask(client, *bad[i // BAD_EVERY % len(bad)], None)
        return ask(client, frames[i % len(frames)], 200, expected[i % len(frames)])

    with ThreadPoolExecutor(CLIENTS) as pool:
        counts = Counter(pool.map(one, range(requests)))
        breaks = list(pool.map(lambda _: break_off(server.port), range(BROKEN_OFF)))
    after = ask(client, frames[0], 200, expected[0])
    client.close()
    return counts + Counter(broken_off=len(breaks), answered_after_all=after == "answered")


def break_off(port: int) -> None:
    """Announces a frame of 1,000 bytes, sends ten, and hangs up."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        connection.sendall(bytes(10))


def listens_on(pid: int) -> list[str]:
    """The addresses on which a process accepts connections."""
    connections = psutil.Process(pid).net_connections()
    return sorted({c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN})


def gone_after(end: Callable[[subprocess.Popen], None], path: Path) -> bool:
    """Whether the server is gone after its parent was ended in that way."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    child = psutil.Process(int(parent.stdout.readline()))
    end(parent)
    parent.communicate()
    _, alive = psutil.wait_procs([child], timeout=GONE_SECONDS)
    return not alive


def interrupt(parent: subprocess.Popen) -> None:
    """As Jupyter interrupts a kernel: SIGINT to it and to all that it started."""
    os.killpg(parent.pid, signal.SIGINT)


def measure(requests: int = REQUESTS) -> dict:
    """What the result file says."""
    torch.manual_seed(0)
    model = RoadNet(["ego"], width=0.25)
    with tempfile.TemporaryDirectory() as folder:
        path = edu.export_onnx(model, torch.zeros(SHAPE), Path(folder) / "light.onnx")
        with cloud.serve(path) as server:
            process = psutil.Process(server.process.pid)
            addresses = listens_on(process.pid)
            counts = send_all(server, path, requests)
        gone = {"after_the_block": not process.is_running()}
        for name, end in zip(ENDINGS, (interrupt, subprocess.Popen.kill), strict=True):
            gone[f"after_the_kernel_was_{name}"] = gone_after(end, path)
    kinds = ("refused_bad", "refused_wrongly", "accepted_bad", "answered", "answered_wrongly")
    return {
        "requests": requests,
        "clients": CLIENTS,
        "lost": counts["lost"],
        "bad": len(range(0, requests, BAD_EVERY)),
        **{kind: counts[kind] for kind in kinds},
        "broken_off": counts["broken_off"],
        "answered_after_all": bool(counts["answered_after_all"]),
        "listens_on": addresses,
        "gone": gone,
    }


def main() -> None:
    """Send, count, write."""
    frame.study(NAME, __doc__, measure)


if __name__ == "__main__":
    frame.start(main)
