"""A class opens a chapter on a hub at the same moment: how long does each wait?

    python3 -m studies.hub_trial --token TOKEN --users ada,alan,grace

Runs on the machine of a hub that was started with docs/hub/jupyterhub_config.py and a service
whose token may start and use servers (docs/hub/README.md). Run it as root. The users are accounts
of the machine, one or many. For each a server starts, the lab is opened, a kernel runs every cell
of the solved chapter. Memory is that of a user's processes,
shared pages counted by their part (PSS), at its most. Writes data/results/hub_trial.json.
"""

import asyncio
import contextlib
import json
import os
import statistics
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import nbformat
import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from edu_lib.measure import save_result
from studies import frame
from tools.chapters import ROOT

NAME, CHAPTER = "hub_trial", "00_start_here"
START_SECONDS, CELL_SECONDS, LOOK_SECONDS = 300, 600, 0.5


@dataclass(frozen=True)
class Visit:
    """One user's chapter, in seconds from the first request of all, and what went wrong."""

    start_seconds: float
    first_cell_seconds: float
    chapter_seconds: float
    errors: int
    refusals: int


class Hub:
    """The REST API of a hub and of the servers behind it. address: such as http://127.0.0.1:8000"""

    def __init__(self, address: str, token: str):
        self.address = address.rstrip("/")
        self.headers = {"Authorization": f"token {token}"}
        self.client = AsyncHTTPClient(max_clients=100, defaults={"request_timeout": START_SECONDS})

    async def ask(self, path: str, method: str = "GET", content: dict | None = None) -> dict:
        """The answer as a dict, empty where there is none. Raises HTTPClientError if refused."""
        body = json.dumps(content or {}) if method == "POST" else None
        request = HTTPRequest(self.address + path, method, self.headers, body)
        answer = await self.client.fetch(request)
        return json.loads(answer.body) if answer.body else {}

    async def connect(self, user: str, kernel_id: str):
        """A connection to the channels of a kernel."""
        address = self.address.replace("http", "ws", 1)
        address += f"/user/{user}/api/kernels/{kernel_id}/channels"
        return await websocket_connect(HTTPRequest(address, headers=self.headers),
                                       max_message_size=10**8)  # fmt: skip

    async def start(self, user: str) -> int:
        """Start the user's server and wait for it; returns how often the hub was too busy.

        Raises TimeoutError if the server is not there in time.
        """
        with contextlib.suppress(HTTPClientError):  # the hub may know the user already
            await self.ask(f"/hub/api/users/{user}", "POST")
        end, refusals = time.monotonic() + START_SECONDS, 0
        while True:
            try:
                await self.ask(f"/hub/api/users/{user}/server", "POST")
                break
            except HTTPClientError as error:
                if error.code != 429:
                    raise
                refusals += 1
                await asyncio.sleep(1)
        while not (await self.ask(f"/hub/api/users/{user}"))["server"]:
            if time.monotonic() > end:
                raise TimeoutError(f"the server of {user} is not there after {START_SECONDS} s")
            await asyncio.sleep(LOOK_SECONDS)
        return refusals


def execute_request(source: str) -> dict:
    """The message that runs a cell, as Jupyter's messaging protocol 5.3 has it."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "",
              "session": uuid.uuid4().hex, "version": "5.3"}  # fmt: skip
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False,
               "user_expressions": {}, "stop_on_error": False}  # fmt: skip
    empty = {"parent_header": {}, "metadata": {}}
    return {"channel": "shell", "header": header, "content": content} | empty


async def run_cell(kernel, source: str) -> bool:
    """Run one cell and wait until the kernel has answered; True if it raised nothing."""
    message = execute_request(source)
    await kernel.write_message(json.dumps(message))
    while True:
        text = await asyncio.wait_for(kernel.read_message(), CELL_SECONDS)
        if text is None:
            raise ConnectionError("the kernel is gone")
        if isinstance(text, bytes):  # the picture of a widget; a reply is text
            continue
        reply = json.loads(text)
        mine = reply["parent_header"].get("msg_id") == message["header"]["msg_id"]
        if mine and reply["msg_type"] == "execute_reply":
            return reply["content"]["status"] == "ok"


async def visit(hub: Hub, user: str, cells: list[str]) -> Visit:
    """Start a server, open the lab, run the cells."""
    begun = time.monotonic()
    refusals = await hub.start(user)
    started = time.monotonic()
    base = f"/user/{user}/api"
    await hub.ask(f"{base}/contents/work/labs/{CHAPTER}.ipynb")
    kernel_id = (await hub.ask(f"{base}/kernels", "POST", {"name": "python3"}))["id"]
    kernel = await hub.connect(user, kernel_id)
    ran, ends = [], []
    for source in cells:
        ran.append(await run_cell(kernel, source))
        ends.append(time.monotonic() - begun)
    kernel.close()
    return Visit(started - begun, ends[0], ends[-1], ran.count(False), refusals)


def memory_of(users: Iterable[str]) -> dict[str, int]:
    """Bytes that the processes of each user hold now, shared pages by their part."""
    held = dict.fromkeys(users, 0)
    for process in psutil.process_iter(["username"]):
        if process.info["username"] in held:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
                held[process.info["username"]] += process.memory_full_info().pss
    return held


async def together(hub: Hub, users: list[str], cells: list[str]) -> dict:
    """All users at once: the median and the worst of each wait, and the memory of each."""
    peaks = dict.fromkeys(users, 0)

    async def look() -> None:
        while True:
            held = await asyncio.to_thread(memory_of, users)
            peaks.update({user: max(peaks[user], held[user]) for user in users})
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        visits = await asyncio.gather(*(visit(hub, user, cells) for user in users))
    finally:
        looking.cancel()
        stops = (hub.ask(f"/hub/api/users/{user}/server", "DELETE") for user in users)
        await asyncio.gather(*stops, return_exceptions=True)
    peak_mb = spread(peak / 10**6 for peak in peaks.values())
    return {"users": len(users), **summary(visits), "peak_mb": peak_mb}


def summary(visits: list[Visit]) -> dict:
    """The waits of all, and how often a cell failed or the hub was too busy."""
    waits = ("start_seconds", "first_cell_seconds", "chapter_seconds")
    told = {name: spread(getattr(each, name) for each in visits) for name in waits}
    return told | {key: sum(getattr(e, key) for e in visits) for key in ("errors", "refusals")}


def spread(values: Iterable[float]) -> dict[str, float]:
    """The median and the largest."""
    values = list(values)
    return {"median": round(statistics.median(values), 2), "most": round(max(values), 2)}


async def trial(hub: Hub, users: list[str]) -> dict:
    """All users run the chapter at once."""
    chapter = nbformat.read(ROOT / "notebooks" / f"{CHAPTER}.ipynb", 4)
    cells = [cell.source for cell in chapter.cells if cell.cell_type == "code"]
    return {"chapter": CHAPTER, "cells": len(cells), **await together(hub, users, cells)}


def main() -> None:
    asked = frame.options(__doc__, {
        "--hub": {"default": "http://127.0.0.1:8000", "help": "its address"},
        "--token": {"required": True, "help": "of a service that may start and use servers"},
        "--users": {"required": True, "help": "accounts of this machine, with commas between"},
        "--note": {"default": "", "help": "what else the machine did, kept in the result"},
    }, again=False)  # fmt: skip
    found = asyncio.run(trial(Hub(asked.hub, asked.token), asked.users.split(",")))
    found |= {"note": asked.note, "cores": os.cpu_count()}
    print(save_result(NAME, found, command=frame.command(NAME)))


if __name__ == "__main__":
    main()
