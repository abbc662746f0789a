"""The trial of a hub: what it adds up, and what it asks a hub for."""

import asyncio
import json

import pytest

from studies import hub_trial
from studies.hub_trial import Hub, Visit, execute_request, run_cell, spread, summary


class Kernel:
    """A connection whose kernel answers with these statuses, after messages of another cell."""

    def __init__(self, *statuses):
        self.statuses, self.asked = list(statuses), None

    async def write_message(self, text):
        self.asked = json.loads(text)["header"]["msg_id"]
        self.answers = [("another", "execute_reply", "ok"), b"\x00\x01", (self.asked, "stream", "")]
        self.answers += [(self.asked, "execute_reply", self.statuses.pop(0))]

    async def read_message(self):
        answer = self.answers.pop(0)
        if isinstance(answer, bytes):
            return answer
        asked, kind, status = answer
        reply = {"parent_header": {"msg_id": asked}, "msg_type": kind, "content": {}}
        return json.dumps(reply | {"content": {"status": status}})


def test_a_cell_ends_with_the_reply_to_itself():
    kernel = Kernel("ok", "error")
    assert asyncio.run(run_cell(kernel, "1")) is True
    assert asyncio.run(run_cell(kernel, "1 / 0")) is False
    assert execute_request("1")["content"]["code"] == "1"


def test_waits_are_told_as_the_median_and_the_worst():
    visits = [Visit(1, 2, 30, 0, 0), Visit(3, 4, 50, 1, 2), Visit(2, 9, 40, 0, 0)]
    found = summary(visits)
    assert found["chapter_seconds"] == {"median": 40, "most": 50}
    assert (found["errors"], found["refusals"]) == (1, 2)
    assert spread(iter([1.006, 3])) == {"median": 2.0, "most": 3}


def test_a_hub_that_is_too_busy_is_asked_again(monkeypatch):
    asked = []

    async def ask(self, path, method="GET", content=None):
        asked.append((method, path))
        if method == "POST" and path.endswith("/server") and len(asked) < 4:
            raise hub_trial.HTTPClientError(429)
        return {"server": "/user/ada/"}

    async def at_once(seconds):
        pass

    monkeypatch.setattr(Hub, "ask", ask)
    monkeypatch.setattr(hub_trial.asyncio, "sleep", at_once)
    hub = Hub.__new__(Hub)
    assert asyncio.run(hub.start("ada")) == 2
    assert asked[0] == ("POST", "/hub/api/users/ada")


def test_memory_is_added_up_for_each_user(monkeypatch):
    own = hub_trial.psutil.Process()
    name = own.username()
    own.info = {"username": name}
    monkeypatch.setattr(hub_trial.psutil, "process_iter", lambda attributes: [own])
    held = hub_trial.memory_of([name, "nobody at all"])
    assert held == {name: pytest.approx(own.memory_full_info().pss, rel=0.2), "nobody at all": 0}


def test_a_refusal_that_is_no_full_house_is_raised(monkeypatch):
    async def ask(self, path, method="GET", content=None):
        raise hub_trial.HTTPClientError(403)

    monkeypatch.setattr(Hub, "ask", ask)
    with pytest.raises(hub_trial.HTTPClientError):
        asyncio.run(Hub.__new__(Hub).start("ada"))
