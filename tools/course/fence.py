"""What an answer may not do while it is graded: write elsewhere, start programs, open connections.

`put_up` sets limits of the system and an audit hook, which no Python code can take away. It keeps
mistakes and ordinary mischief in; it is no sandbox. Code that gets around Python itself is held by
bubblewrap (tools/course/boxes.py) where the machine has it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

PROCESSES = {
    "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec", "os.system", "pty.spawn",
    "subprocess.Popen", "os.kill", "os.killpg",
}  # fmt: skip
CONNECTIONS = {
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "socket.sendto", "socket.sendmsg",
}  # fmt: skip
CHANGES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown",
    "os.link", "os.symlink", "os.utime", "os.setxattr", "os.removexattr", "shutil.rmtree",
    "shutil.move",
}  # fmt: skip
LOOKS = {"os.listdir", "os.scandir"}
LIMITS = {"resource.setrlimit", "resource.prlimit"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FILE_BYTES = 50_000_000
NULL = os.devnull
PACKAGES = tuple(os.path.realpath(path) for path in sys.path if path.endswith("-packages"))


def put_up(own: Path, hidden: Path, memory_bytes: int, cpu_seconds: int) -> None:
    """Limit this process for good. own: the one folder to write in. hidden: one not to read."""
    limit_system(memory_bytes, cpu_seconds)
    close_side_doors()
    sys.addaudithook(fence(os.path.realpath(own), os.path.realpath(hidden)))


def limit_system(memory_bytes: int, cpu_seconds: int) -> None:
    """Memory, processor time and size of files, as the system counts them."""
    import resource

    wanted = {
        resource.RLIMIT_DATA: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, number in wanted.items():
        hard = resource.getrlimit(kind)[1]
        number = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(kind, (number, number))


def close_side_doors() -> None:
    """multiprocessing starts programs through this function, which no audit event reports."""
    import _posixsubprocess
    import subprocess

    def refuse(*arguments):
        raise PermissionError("an answer starts no other program")

    _posixsubprocess.fork_exec = refuse
    subprocess._fork_exec = refuse


def fence(own: str, hidden: str) -> Callable[[str, tuple], None]:
    """The audit hook: raises PermissionError before what is refused happens."""

    def below(path: object, folder: str) -> bool:
        if isinstance(path, int) or path is None:
            return False
        real = os.path.realpath(os.fsdecode(path))
        return real == folder or real.startswith(folder + os.sep)

    def watch(event: str, arguments: tuple) -> None:
        if event in PROCESSES:
            raise PermissionError(f"an answer starts and ends no other program ({event})")
        if event == "ctypes.dlopen" and not any(below(arguments[0], each) for each in PACKAGES):
            raise PermissionError("an answer loads no library but those of the kit's packages")
        if event in CONNECTIONS:
            raise PermissionError(f"an answer opens no connection ({event})")
        if event in LIMITS:
            raise PermissionError("an answer keeps the limits that are set")
        if event in CHANGES:
            paths = [each for each in arguments if isinstance(each, str | bytes | os.PathLike)]
            if not all(below(path, own) for path in paths):
                raise PermissionError("an answer changes no files outside its own folder")
        if event in LOOKS and below(arguments[0], hidden):
            raise PermissionError("an answer does not read the course's folder")
        if event == "open" and not isinstance(arguments[0], int):
            path, _, flags = arguments
            if (flags or 0) & WRITES and path != NULL and not below(path, own):
                raise PermissionError("an answer writes no files outside its own folder")
            if below(path, hidden):
                raise PermissionError("an answer does not read the course's folder")

    return watch
