"""The guard that keeps the tests offline: other machines are refused, this one is not."""

import os
import subprocess
import sys
from queue import Empty

import pytest
from jupyter_client.manager import KernelManager

import kit
from tools import venv

GUARD = kit.ROOT / "tools" / "offline"
SENTENCE = "the tests run offline: a connection to {} was refused"

# 192.0.2.1 is an address that no machine has (RFC 5737)
ATTEMPTS = {
    "a connection": "socket.create_connection(('192.0.2.1', 80), timeout=1)",
    "connect_ex": "socket.socket().connect_ex(('192.0.2.1', 80))",
    "a datagram": "datagrams().sendto(b'x', ('192.0.2.1', 9))",
    "an IPv6 datagram": "datagrams(socket.AF_INET6).sendto(b'x', ('2001:db8::1', 9))",
    "asyncio": "asyncio.run(asyncio.open_connection('192.0.2.1', 80))",
    "asyncio's datagrams": "asyncio.run(asyncio_datagram('192.0.2.1'))",
    "ssl": "ssl_socket('192.0.2.1').connect(('192.0.2.1', 443))",
    "a look-up": "socket.getaddrinfo('example.org', 80)",
    "an old look-up": "socket.gethostbyname('example.org')",
    "asyncio's look-up": "asyncio.run(asyncio.open_connection('example.org', 80))",
}

HELPERS = """
import asyncio, socket, ssl
def datagrams(family=socket.AF_INET):
    return socket.socket(family, socket.SOCK_DGRAM)
def ssl_socket(host):
    return ssl.create_default_context().wrap_socket(socket.socket(), server_hostname=host)
async def asyncio_datagram(host):
    sender = datagrams()
    sender.setblocking(False)
    await asyncio.get_running_loop().sock_sendto(sender, b'x', (host, 9))
"""

LOOPBACK = """
import socket
server = socket.create_server(("127.0.0.1", 0))
for host in ("127.0.0.1", "localhost"):
    socket.create_connection((host, server.getsockname()[1]), timeout=10).close()
socket.getaddrinfo(socket.gethostname(), None)
here, there = socket.socketpair()
here.send(b"x")
print(there.recv(1))
"""


@pytest.fixture
def guarded(monkeypatch):
    """The settings of a process that the guard watches."""
    monkeypatch.setenv("PYTHONPATH", str(GUARD))


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def refusals():
    """What each attempt raises under the guard, by its name."""
    code = HELPERS + f"for name, attempt in {ATTEMPTS!r}.items():\n"
    code += "    try:\n        eval(attempt)\n"
    code += "    except Exception as error:\n"
    code += "        print(name, type(error).__name__, error, sep='|')\n"
    settings = {**os.environ, "PYTHONPATH": str(GUARD)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=600)
    return dict(line.split("|", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", ATTEMPTS)
def test_another_machine_is_refused(refusals, name):
    host = next(h for h in ("192.0.2.1", "2001:db8::1", "example.org") if h in ATTEMPTS[name])
    assert refusals[name] == f"ConnectionRefusedError|{SENTENCE.format(host)}"


def test_this_machine_is_reached(guarded):
    done = run(LOOPBACK)
    assert done.stdout == "b'x'\n", done.stderr


def test_a_kernel_inherits_the_guard(guarded):
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=600)
        client.execute("import socket; socket.getaddrinfo('example.org', 80)")
        assert error_of(client) == ("ConnectionRefusedError", SENTENCE.format("example.org"))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def error_of(client):
    while True:
        try:
            message = client.get_iopub_msg(timeout=600)
        except Empty:
            raise AssertionError("the kernel raised no error") from None
        if message["msg_type"] == "error":
            return message["content"]["ename"], message["content"]["evalue"]


def test_kit_test_puts_the_guard_on(monkeypatch, tmp_path):
    """`kit.py test` starts a pytest under the guard, whatever PYTHONPATH held before."""
    (tmp_path / "test_probe.py").write_text(
        "import socket, pytest\n"
        "def test_probe():\n"
        "    with pytest.raises(ConnectionRefusedError, match='the tests run offline'):\n"
        "        socket.create_connection(('192.0.2.1', 80), timeout=1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(venv, "environment", lambda *names: kit.Path(sys.executable))
    assert (
        kit.test([str(tmp_path), "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]) == 0
    )
