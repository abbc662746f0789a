"""A network in C on four processors: this one, a 64-bit Arm, two microcontrollers.

QEMU emulates all but the first. What is missing here is said by `missing`; on Debian all comes with
apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm qemu-user
gcc-aarch64-linux-gnu libc6-dev-arm64-cross.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BOARDS = Path(__file__).with_name("boards")
STRICT = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
KB = 1024
STACK_BYTES = 2 * KB
INSTRUCTIONS_A_TICK = 40


@dataclass(frozen=True)
class Target:
    """A compiler with its options, and what runs the result."""

    compiler: str
    options: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()


def microcontroller(processor: str, board: str) -> Target:
    """A chip without an operating system, on an emulated board that counts its instructions."""
    return Target(
        "arm-none-eabi-gcc",
        (f"-mcpu={processor}", "-mthumb", "-nostartfiles", f"-T{BOARDS / 'cortex_m.ld'}"),
        (
            "qemu-system-arm", "-machine", board, "-nographic", "-monitor", "none",
            "-serial", "none", "-semihosting-config", "enable=on,target=native",
            "-icount", "shift=0", "-kernel",
        ),
    )  # fmt: skip


TARGETS = {
    "computer": Target("gcc"),
    "aarch64": Target("aarch64-linux-gnu-gcc", ("-static",), ("qemu-aarch64",)),
    "cortex_m0plus": microcontroller("cortex-m0plus", "mps2-an385"),
    "cortex_m4": microcontroller("cortex-m4", "mps2-an386"),
}


@dataclass(frozen=True)
class Outcome:
    """What a run gave. answers: float32 [N, values], those of all outputs side by side.

    flash_bytes, ram_bytes: of the microcontroller, by the linker; with the program that feeds the
    network, and the stack. instructions: of one image, counted by the emulator.
    """

    answers: np.ndarray
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    instructions: int | None = None


def missing(target: str) -> list[str]:
    """The programs that this target needs and this machine lacks."""
    needed = [TARGETS[target].compiler, *TARGETS[target].emulator[:1]]
    return [program for program in needed if shutil.which(program) is None]


def run(
    c_file: Path, target: str, images: np.ndarray, folder: Path,
    flash_bytes: int = 4096 * KB, ram_bytes: int = 4096 * KB,
) -> Outcome:  # fmt: skip
    """Compiles a file of `export_c` and runs it on images, uint8 [N, C, H, W], in `folder`.

    flash_bytes, ram_bytes: what the microcontroller has. Raises RuntimeError with the compiler's
    or the emulator's words if one of them fails, as the linker does where memory is too small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    signature, counts = _interface(c_file)
    begins = np.cumsum([0, *counts])[:-1]
    call = ", ".join(["pixels", *(f"answers + {begin}" for begin in begins)])
    chip = TARGETS[target]
    bare = target.startswith("cortex")
    sizes = {"FLASH_BYTES": flash_bytes, "RAM_BYTES": ram_bytes, "STACK_BYTES": STACK_BYTES}
    linker = [f"-Wl,--defsym={name}={size}" for name, size in sizes.items()]
    program = folder / "network.elf"
    _call([
        chip.compiler, *STRICT, *chip.options, *(linker if bare else []),
        f'-DNETWORK_FILE="{c_file.resolve()}"', f"-DRUN={signature}", f"-DCALL={call}",
        f"-DPIXELS={images[0].size}", f"-DANSWERS={sum(counts)}",
        str(BOARDS / ("cortex_m.c" if bare else "main.c")), "-o", str(program),
        *(["-Wl,--print-memory-usage"] if bare else []),
    ], folder)  # fmt: skip
    if not bare:
        printed = _call([*chip.emulator, str(program)], folder, images.tobytes())
        return Outcome(np.frombuffer(printed, np.float32).reshape(len(images), -1))
    (folder / "pixels.bin").write_bytes(images.tobytes())
    _call([*chip.emulator, str(program)], folder)
    written = (folder / "answers.bin").read_bytes()
    answers = np.frombuffer(written[:-4], np.float32).reshape(len(images), -1)
    ticks = int.from_bytes(written[-4:], "little")
    flash, ram = _memory(program, folder)
    return Outcome(answers, flash, ram, round(ticks * INSTRUCTIONS_A_TICK / len(images)))


def _interface(c_file: Path) -> tuple[str, list[int]]:
    """The function of a file, and how many floats each of its answers has."""
    head = c_file.read_text(encoding="utf-8").partition("*/")[0]
    sizes = re.findall(r"^ \* \w+: ([\dx ]+) floats\.$", head, re.MULTILINE)
    name = re.search(r"void (\w+_run)\(", head)[1]
    return name, [int(np.prod([int(n) for n in size.split(" x ")])) for size in sizes]


def _memory(program: Path, folder: Path) -> tuple[int, int]:
    """(flash, RAM) in bytes: sections that are stored, and sections that live in memory."""
    listed = _call(["arm-none-eabi-size", "-A", str(program)], folder).decode()
    size = {name: int(count) for name, count in re.findall(r"^(\.\w+) +(\d+)", listed, re.M)}
    stored, live = (".text", ".data"), (".data", ".bss", ".stack")
    return sum(size.get(each, 0) for each in stored), sum(size.get(each, 0) for each in live)


def _call(words: list[str], folder: Path, data: bytes | None = None) -> bytes:
    done = subprocess.run(words, cwd=folder, input=data, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-2000:]
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {said}")
    return done.stdout
