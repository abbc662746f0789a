"""An int8 network as one file in C, for a chip without an operating system. Chapter 09.

It reads the file that `export_int8` writes, and computes what `IntegerNetwork` computes, bit for
bit: each activation has a place in one array of bytes, the arena, which is planned here from when
it is first and last needed. Sources: Jacob et al. 2018, section 2.2; Pisarchyk and Lee 2020,
"Efficient Memory Management for Deep Neural Net Inference", section 5 (the plan).
"""

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from edu_lib.deploy.arithmetic import Integers, Unrounded, real
from edu_lib.deploy.c_layers import Layer, by
from edu_lib.deploy.c_loops import LOOPS, function
from edu_lib.deploy.integer import IntegerNetwork
from edu_lib.files import replacing

ROUNDING = Path(__file__).with_name("c_rounding.c").read_text(encoding="utf-8")
ACTIVATIONS = {"Add": 2, "Mul": 2}  # of how many an operation is made; of one, but for Concat


def export_c(int8_file: str | Path, path: str | Path) -> Path:
    """Writes an int8 network to one file of portable C99; returns its path.

    int8_file: what `export_int8` wrote, of one input. The C function takes the bytes of one image,
    0 to 255 for the pixels 0 to 1, and gives float32 answers, those of `IntegerNetwork` in every
    bit. It needs no library, no heap and no floats but for the answers; weights are constants and
    activations share one static array. The comment at its head says how to call it.
    Raises ValueError naming what an operation needs that C is not written for.
    """
    name = re.sub(r"\W", "_", Path(path).stem, flags=re.ASCII)
    network = IntegerNetwork(int8_file)
    if len(network.inputs) != 1:
        raise ValueError(f"{network.name} takes {len(network.inputs)} inputs: C is written for one")
    text = _Program(network).translate().text(f"network_{name}" if name[:1].isdigit() else name)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


@dataclass
class _Program:
    """The functions of a network in their order, and what each of them needs of the arena."""

    network: IntegerNetwork
    functions: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)  # bytes of each place in the arena
    lives: dict[str, list[int]] = field(default_factory=dict)  # the calls that use a place
    answers: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)  # call, shape
    constants: int = 0

    def translate(self) -> "_Program":
        """Goes through the operations as the engine does, with a batch of no images."""
        network = self.network
        (entry,), (shape,) = network.inputs, network.shapes
        # what each byte becomes at the front door: 256 images of one value, small if it can be
        whole = "Reshape" in [node.op_type for node in network.nodes[: self._door()]]
        sizes = shape if whole else (shape[0], *[1] * len(shape[1:]))
        pixels = np.arange(256, dtype=np.float32).reshape(-1, *[1] * len(shape)) / np.float32(255)
        self.pixels = {**network.constants, entry: np.broadcast_to(pixels, (256, *sizes))}
        self.values = {**network.constants, entry: np.zeros([0, *shape], np.float32)}
        self.places, self.waiting, self.names = {}, {}, {}
        for node in network.nodes:
            result = self.values[node.output[0]] = network.compute(node, self.values)
            self._step(node, result)
            if node.output[0] in network.outputs:
                self._leave(node.output[0])
        return self

    def _door(self) -> int:
        """How many operations come before integers."""
        return [node.op_type for node in self.network.nodes].index("QuantizeLinear")

    def _step(self, node: onnx.NodeProto, result: object) -> None:
        source, target = node.input[0], node.output[0]
        taken = self.values[source]
        quantizes = node.op_type == "QuantizeLinear"
        if isinstance(result, np.ndarray):
            self._outside(node)
        elif quantizes and isinstance(taken, np.ndarray):
            self._enter(target, result, self.network.compute(node, self.pixels).q)
        elif quantizes and isinstance(taken, Unrounded):
            self._add(replace(self.waiting[source], grid=result), target)
        elif result is taken or node.op_type in ("DequantizeLinear", "Reshape"):
            self.names[target] = self.names.get(source, source)
            if source in self.places:
                self.places[target] = self.places[source]
        elif isinstance(taken, Unrounded):  # a ReLU: the result ends elsewhere
            self.waiting[target] = replace(self.waiting[source], result=result)
        elif isinstance(result, Unrounded):
            self.waiting[target] = self._layer(node, result)
        else:
            self._add(replace(self._layer(node, result), grid=result), target)

    def _outside(self, node: onnx.NodeProto) -> None:
        """Floats before the front door, or a reshaped answer behind the back door."""
        left = [name for name in node.input if name in self.waiting or name in self.places]
        if not left:
            self.pixels[node.output[0]] = self.network.compute(node, self.pixels)
        elif node.op_type == "Reshape" and left[0] in self.waiting:
            self.waiting[node.output[0]] = self.waiting[left[0]]
        else:
            raise ValueError(f"{self.network.name} ends in {node.op_type} of floats, which C has "
                             "no loop for: let the network end in a layer")  # fmt: skip

    def _layer(self, node: onnx.NodeProto, result: Integers | Unrounded) -> Layer:
        arguments = [self.values[name] if name else None for name in node.input]
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        kind = node.op_type
        count = len(node.input) if kind == "Concat" else ACTIVATIONS.get(kind, 1)
        if not self.places.keys() >= set(node.input[:count]):
            raise ValueError(f"C has no loop for {kind} of a constant, as {self.network.name} does")
        places = [self.places[name] for name in node.input[:count]]
        word = kind.lower()
        if kind in ("Conv", "Gemm"):
            word = self.names.get(node.input[1], word).removesuffix(".weight")
        return Layer(word, kind, arguments, places, options, result)

    def _enter(self, target: str, grid: Integers, bytes_become: np.ndarray) -> None:
        """The pixels, by a table for each channel."""
        channels = self.network.shapes[0][0]
        table = bytes_become.reshape(256, channels, -1)
        if (table != table[:, :, :1]).any():
            raise ValueError(f"{self.network.name} treats pixels differently before it quantizes: "
                             "C has one table for a channel")  # fmt: skip
        table = np.ascontiguousarray(table[:, :, 0].T)
        if (table == table[0]).all():
            table = table[:1]
        self._add(Layer("input", "Enter", [table], [], {}, grid, grid=grid), target)

    def _add(self, layer: Layer, target: str) -> None:
        """A function that writes an activation."""
        shape = layer.grid.q.shape[1:]
        name = self._new_name(layer.name)
        self.places[target] = f"at_{name}"
        self.sizes[f"at_{name}"] = math.prod(shape)
        self._write(replace(layer, name=name, shape=shape), f"at_{name}")

    def _leave(self, name: str) -> None:
        """A function that writes an answer."""
        value = self.values[name]
        if name in self.waiting:
            layer = self.waiting[name]
        elif name in self.places:
            layer = Layer("", "Leave", [value], [self.places[name]], {}, value)
        else:
            raise ValueError(f"{self.network.name} gives {name!r} without a layer of integers")
        shape = real(layer.result).shape[1:]
        call = self._new_name(f"answer_{name}")
        self.answers[name] = call, real(value).shape[1:]
        self._write(replace(layer, name=call, shape=shape, grid=None))

    def _write(self, layer: Layer, *places: str) -> None:
        layer = replace(layer, arrays=[], texts=[])
        self.functions.append(function(layer))
        self.constants += sum(array.nbytes for array in layer.arrays)
        for place in (*layer.places, *places):
            self.lives.setdefault(place, []).append(len(self.calls))
        self.calls.append(layer.name)

    def _new_name(self, word: str) -> str:
        """A name of letters, digits and underscores that no other function has."""
        word = re.sub(r"\W", "_", word, flags=re.ASCII)
        same = [name for name in self.calls if re.fullmatch(rf"{word}(__\d+)?", name)]
        return f"{word}__{len(same) + 1}" if same else word

    def text(self, name: str) -> str:
        """The whole file."""
        offsets, arena = plan(self.sizes, self.lives)
        answers = dict(self.answers[each] for each in self.network.outputs)
        parameters = ["const uint8_t *pixels", *(f"float *{answer}" for answer in answers)]
        arguments = {"input": "pixels", **{answer: answer for answer in answers}}
        calls = [f"    run_{call}({arguments.get(call, '')});" for call in self.calls]
        return LOOPS["network"].substitute(
            name=name, file=self.network.name, rounding=ROUNDING.rstrip("\n"),
            parameters=", ".join(parameters), calls="\n".join(calls),
            input=by(self.network.shapes[0]), constants=self.constants, arena=arena,
            answers="\n".join(
                f" * {answer}: {by(shape)} floats." for answer, shape in answers.items()
            ),
            places="\n".join(f"    {place} = {offset}," for place, offset in offsets.items()),
            functions="\n\n".join(self.functions),
        )  # fmt: skip


def plan(sizes: dict[str, int], lives: dict[str, list[int]]) -> tuple[dict[str, int], int]:
    """({place: first byte}, bytes in all) so that what lives at one time has bytes of its own.

    sizes: bytes of each place. lives: the moments at which it is written or read. The largest
    comes first, and each goes as low as it can.
    """
    offsets: dict[str, int] = {}
    for place in sorted(sizes, key=lambda each: (-sizes[each], min(lives[each]))):
        beside = sorted(
            (offsets[other], sizes[other])
            for other in offsets
            if min(lives[other]) <= max(lives[place]) and min(lives[place]) <= max(lives[other])
        )
        offset = 0
        for begin, size in beside:
            if offset + sizes[place] <= begin:
                break
            offset = max(offset, begin + size)
        offsets[place] = offset
    arena = max((offsets[place] + sizes[place] for place in offsets), default=0)
    return {place: offsets[place] for place in sizes}, arena
