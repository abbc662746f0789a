"""Refuse connections to other machines. Python imports this at its start when this folder is on
PYTHONPATH, in every process that a test starts, notebook kernels included.

An audit hook sees each connection and each datagram of Python's sockets before it leaves, whoever
asks for it: a library, asyncio, ssl.
"""

import ipaddress
import socket
import sys

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
CONNECTIONS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
INTERNET = {socket.AF_INET, socket.AF_INET6}


def is_this_machine(host: object) -> bool:
    """Whether a host name or address, as the socket module takes it, is this machine."""
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    name = host.decode() if isinstance(host, (bytes, bytearray)) else str(host)
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def refuse_other_machines(event: str, arguments: tuple) -> None:
    """Audit hook: raise ConnectionRefusedError before a socket reaches another machine."""
    if event in LOOK_UPS:
        host = arguments[0]
    elif event in CONNECTIONS and arguments[1] and arguments[0].family in INTERNET:
        host = arguments[1][0]
    else:
        return
    if not is_this_machine(host):
        raise ConnectionRefusedError(f"the tests run offline: a connection to {host} was refused")


sys.addaudithook(refuse_other_machines)
