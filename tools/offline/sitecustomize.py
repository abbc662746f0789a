"""Refuse connections to other machines. Python imports this at its start when this folder is on
PYTHONPATH, in every process that a test starts, notebook kernels included.
"""

import ipaddress
import socket

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _is_this_machine(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def _check(host: object) -> None:
    if not _is_this_machine(host):
        raise ConnectionRefusedError(f"the tests run offline: a connection to {host} was refused")


def _checked_connect(self: socket.socket, address: object) -> None:
    if isinstance(address, tuple):
        _check(address[0])
    return _connect(self, address)


def _checked_connect_ex(self: socket.socket, address: object) -> int:
    if isinstance(address, tuple):
        _check(address[0])
    return _connect_ex(self, address)


def _checked_getaddrinfo(host, *arguments, **options):
    _check(host)
    return _getaddrinfo(host, *arguments, **options)


socket.socket.connect = _checked_connect
socket.socket.connect_ex = _checked_connect_ex
socket.getaddrinfo = _checked_getaddrinfo
