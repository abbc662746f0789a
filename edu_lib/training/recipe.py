"""What a result hangs on, as a short hash: so that a stored one is never taken for another's.

A function counts with what it computes: its code, its defaults, the values it closes over and those
it reads in its module. A function of a library counts by its name.
"""

import dataclasses
import dis
import enum
import functools
import hashlib
import json
import os
import sys
import sysconfig
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

CHECKOUT = Path(__file__).resolve().parents[2]
EDU_LIB = str(Path(__file__).resolve().parents[1]) + os.sep
STDLIB = sysconfig.get_path("stdlib")
AS_TEXT = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice, Path,
           enum.Enum, np.generic, torch.dtype, torch.device, torch.Size)  # fmt: skip
CLASS_NAMES = ("__module__", "__doc__", "__qualname__", "__firstlineno__", "__annotations__",
               "__dataclass_fields__", "__dataclass_params__", "__static_attributes__")  # fmt: skip
NOTING = {"append", "extend", "insert", "add", "update", "pop", "remove", "discard", "clear"}


def fingerprint(value: object, trained: nn.Module | None = None) -> str:
    """16 hex digits that change when `value` does, and are the same in every process.

    value: numbers, text, tensors, arrays, functions, partials, networks; containers and objects of
    these. trained: a network that is about to learn: its structure counts, not its weights.
    What a function changes is no part of its recipe: variables outside it that it sets, and, if its
    code says `append` or the like, the lists and sets outside it, into which it takes notes.
    """
    parts = () if trained is None else trained.modules()
    return _hash(_Reader({id(part) for part in parts}).read(value))


class _Reader:
    """Reads a value into lists of texts. trained: ids of networks whose weights do not count."""

    def __init__(self, trained: set[int]):
        self.trained = trained
        self.known: dict[int, tuple[str, object]] = {}  # by id: the digest, and the value kept
        self.path: list[int] = []  # what is being read: a thing may hold itself

    def read(self, value: object) -> object:
        if isinstance(value, Path) and value.is_relative_to(CHECKOUT):
            return ["path", value.relative_to(CHECKOUT).as_posix()]  # the same in every checkout
        if isinstance(value, AS_TEXT):
            return repr(value)
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        if id(value) in self.path:
            return ["holds itself", len(self.path) - self.path.index(id(value))]
        if id(value) not in self.known:
            self.path.append(id(value))
            self.known[id(value)] = _hash(self._parts(value)), value
            self.path.pop()
        return self.known[id(value)][0]

    def _parts(self, value: object) -> list:
        """What a value is made of."""
        readers = {
            (Tensor, np.ndarray): _content,
            nn.Module: self._network,
            type: self._class,
            Mapping: self._mapping,
            (set, frozenset): lambda value: sorted(map(repr, value)),
            (list, tuple): lambda value: [_name(type(value)), *map(self.read, value)],
            functools.partial: lambda p: ["partial", *map(self.read, (p.func, p.args, p.keywords))],
            types.MethodType: lambda m: ["method", self.read(m.__func__), self.read(m.__self__)],
            types.FunctionType: self._function,
        }
        read = next((read for kind, read in readers.items() if isinstance(value, kind)), None)
        return (read or self._object)(value)

    def _mapping(self, value: Mapping) -> list:
        keys = sorted(value, key=repr)
        return [_name(type(value)), *([repr(key), self.read(value[key])] for key in keys)]

    def _function(self, function: types.FunctionType) -> list:
        code = function.__code__
        set_here, notes = _set_outside(code), bool(_names(code) & NOTING)
        defaults = [self.read(function.__defaults__), self.read(function.__kwdefaults__)]
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        closed = [
            [name, self._outer(cell.cell_contents, notes)]
            for name, cell in cells
            if name not in set_here and _is_filled(cell)
        ]
        if _is_library(code.co_filename):
            return ["function", function.__module__, function.__qualname__, defaults, closed]
        space, package = function.__globals__, _package(function.__module__)
        read_there = sorted((_names(code) & space.keys()) - set_here)
        found = [[name, self._outer(space[name], notes, package)] for name in read_there]
        return ["function", _code(code), defaults, closed, found]

    def _outer(self, value: object, notes: bool, package: str | None = None) -> object:
        """A value that a function closes over, or finds in a module of that package."""
        if notes and isinstance(value, list | set):
            return _name(type(value))
        elsewhere = package is not None and _package(getattr(value, "__module__", None)) != package
        if isinstance(value, type | types.FunctionType) and elsewhere:
            return [value.__module__, value.__qualname__]
        return self.read(value)

    def _class(self, kind: type) -> list:
        if _is_library(_file(kind)):
            return ["class", _name(kind)]
        plain = (types.FunctionType, staticmethod, classmethod, property, tuple, list, dict)
        own = {
            name: getattr(each, "fget", None) or getattr(each, "__func__", each)
            for name, each in vars(kind).items()
            if isinstance(each, (*plain, *AS_TEXT)) and name not in CLASS_NAMES
        }
        return ["class", kind.__qualname__, [self.read(base) for base in kind.__bases__],
                self._mapping(own)]  # fmt: skip

    def _network(self, network: nn.Module) -> list:
        """Parts, shapes and settings, and the weights unless they are about to change."""
        tensors = [*network._parameters.items(), *network._buffers.items()]
        shapes = [
            [name, [*each.shape], str(each.dtype), each.requires_grad]
            for name, each in tensors
            if each is not None
        ]
        if id(network) not in self.trained:
            shapes += [_content(each) for _, each in tensors if each is not None]
        settings = {
            name: each
            for name, each in vars(network).items()
            if not name.startswith("_") and name != "training"
        }
        parts = [[name, self.read(part)] for name, part in network.named_children()]
        return [self._class(type(network)), parts, shapes, self._mapping(settings)]

    def _object(self, value: object) -> list:
        if hasattr(value, "__wrapped__"):  # functools.cache and its like
            return ["wrapped", self.read(value.__wrapped__)]
        if dataclasses.is_dataclass(value):
            state = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        elif callable(value) or not _is_library(_file(type(value))):
            state = getattr(value, "__dict__", {})
        else:
            state = {}
        name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
        return ["object", name, self.read(type(value)), self._mapping(state)]


def _hash(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _content(value: Tensor | np.ndarray) -> list:
    """Shape, type and a hash of the values."""
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.ascontiguousarray(value))
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest = hashlib.sha256(flat.view(torch.uint8).numpy()).hexdigest()
    return [[*tensor.shape], str(tensor.dtype), digest]


def _code(code: types.CodeType) -> list:
    """What code does, without its docstring, its lines and the names of its variables."""
    return [
        [step.opname, step.arg if "FAST" in step.opname else _constant(step.argval)]
        for step in dis.get_instructions(code)
    ]


def _constant(value: object) -> object:
    if isinstance(value, types.CodeType):
        return _code(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _names(code: types.CodeType) -> set[str]:
    inner = [_names(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    return set(code.co_names).union(*inner)


def _set_outside(code: types.CodeType) -> set[str]:
    """The outer variables that the code sets."""
    inner = [_set_outside(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    steps = dis.get_instructions(code)
    names = {step.argval for step in steps if step.opname in ("STORE_DEREF", "STORE_GLOBAL")}
    return names.union(*inner)


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _is_library(file: str) -> bool:
    installed = "site-packages" in file or "dist-packages" in file or file.startswith("<frozen")
    return installed or file.startswith((EDU_LIB, STDLIB))


def _file(kind: type) -> str:
    if kind.__module__ == "builtins":
        return STDLIB
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or ""


def _package(module: str | None) -> str | None:
    """The package of a module; of the program itself, the one it was started from."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name if module == "__main__" and spec is not None else module
    return None if name is None else name.partition(".")[0]


def _name(kind: type) -> str:
    library = _is_library(_file(kind))
    return f"{kind.__module__}.{kind.__qualname__}" if library else kind.__qualname__
