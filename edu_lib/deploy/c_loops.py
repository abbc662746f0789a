"""The loop in C for each operation of an int8 network, its numbers filled in. Chapter 09.

The loops stand in c_loops.c. Where a number of the layer goes there is a name that begins with $.
"""

import math
from collections.abc import Callable
from pathlib import Path
from string import Template

import numpy as np

from edu_lib.deploy.arithmetic import Integers, Unrounded, common_point
from edu_lib.deploy.c_layers import LETTERS, Layer, as_map, by, literal, plus, pointer, times
from edu_lib.deploy.operations import OPERATIONS, added, lookup_table

SOURCE = Path(__file__).with_name("c_loops.c").read_text(encoding="utf-8")
LOOPS = {
    name: Template(loop.rstrip("\n"))
    for name, _, loop in (part.partition("\n") for part in SOURCE.split("/// ")[1:])
}


def function(layer: Layer) -> str:
    """The constants and the function of a layer. Raises ValueError where C has no loop for it."""
    flat = layer.kind in FLAT
    without_grid = not layer.grid and layer.kind in ("Add", "Concat")
    if without_grid or not (flat or len(layer.shape) in (1, 3)):
        where = " at the end" * without_grid
        raise ValueError(f"C has no loop for {layer.kind} to {by(layer.shape)} numbers{where}")
    loop = WRITERS[layer.kind](layer)
    names = "x" if len(layer.places) == 1 else "ab"
    lines = []
    for n, (place, X) in enumerate(zip(layer.places, layer.activations, strict=True)):
        variable = f"*x{n}" if flat else pointer(names[n], X.q.shape[1:])
        lines.append(f"    const uint8_t {variable} = (void *)(arena + {place});")
    if layer.grid:
        variable = "*y" if flat else pointer("y", layer.shape)
        lines.append(f"    uint8_t {variable} = (void *)(arena + at_{layer.name});")
    argument = "void" if layer.grid else "float *answer"
    if layer.kind == "Enter":
        argument = "const uint8_t *pixels"
    sizes = " and ".join(by(X.q.shape[1:]) for X in layer.activations) or "bytes"
    about = f"/* {layer.name}, {layer.kind}: {sizes} to {by(layer.shape)} */"
    head = f"static void run_{layer.name}({argument}) {{"
    return "\n".join([*layer.texts, about, head, *lines, loop, "}"])


def over_the_map(layer: Layer, loop: str, **numbers: object) -> str:
    """The three loops over the result, around one of the loops of c_loops.c."""
    channels, rows, columns = as_map(layer.shape)
    body = LOOPS[loop].substitute(numbers, y=layer.y)
    return LOOPS["over_the_map"].substitute(
        channels=channels, rows=rows, columns=columns, body=body
    )


# Windows


def window(
    layer: Layer, taps: str, start: str, finish: str, channel: str = "c", **numbers: object
) -> str:
    """Windows that slide over the first input; what lies outside of it does not count."""
    options = layer.options
    size = options.get("kernel_shape", layer.X.q.shape[2:])
    steps, strides = options.get("dilations", [1, 1]), options.get("strides", [1, 1])
    pads = options.get("pads", [0] * 4)
    ends = []
    for axis, (letter, begin) in enumerate((("i", "up"), ("j", "left"))):
        first, last = 0, size[axis]
        if any(pads) or options.get("ceil_mode", 0):
            first, last = f"{letter}_from", f"{letter}_to"
            ends += LOOPS["ends"].substitute(
                first=first, last=last, begin=begin, step=steps[axis], k=size[axis],
                length=layer.X.q.shape[2 + axis],
            ).splitlines(keepends=True)  # fmt: skip
        numbers |= {f"{letter}_from": first, f"{letter}_to": last}
    x = f"x[{channel}][up + {times('i', steps[0])}][left + {times('j', steps[1])}]"
    numbers |= {"x": x, "centred": centred(x, layer.X)}
    return over_the_map(
        layer, "window", start=start, finish=finish, ends="".join(ends),
        taps=LOOPS[taps].substitute(numbers),
        up=plus(times("row", strides[0]), pads[0], "-"),
        left=plus(times("column", strides[1]), pads[1], "-"),
    )  # fmt: skip


def centred(x: str, X: Integers) -> str:
    """q - zero_point."""
    return f"({x} - {X.zero_point})" if X.zero_point else x


def conv(layer: Layer) -> str:
    outputs, depth = layer.arguments[1].q.shape[:2]
    groups = layer.options["group"]
    channel = "d" if groups == 1 else f"c / {outputs // groups} * {depth} + d"
    weight, start = weight_and_start(layer)
    return window(
        layer, "multiply_and_add", start, layer.finish(), channel, weight=weight, depth=depth
    )


def gemm(layer: Layer) -> str:
    outputs, inputs = layer.arguments[1].q.shape
    weight, start = weight_and_start(layer)
    return LOOPS["linear"].substitute(
        outputs=outputs, inputs=inputs, weight=weight, start=start, x=centred("x[d]", layer.X),
        finish=layer.finish(),
    )  # fmt: skip


def weight_and_start(layer: Layer) -> tuple[str, str]:
    """The array of weights, and what a sum starts with."""
    weight, bias = (*layer.arguments[1:], None)[:2]
    start = layer.array("bias", bias.q) + "[c]" if bias else "0"
    return layer.array("weight", weight.q), start


def add_up(layer: Layer) -> str:
    return window(layer, "add_up", "0", layer.finish())


def largest(layer: Layer) -> str:
    return window(layer, "largest", "0", f"{layer.y} = (uint8_t)sum;")


# Element by element


def resize(layer: Layer) -> str:
    height, width = layer.X.q.shape[2:]
    if isinstance(layer.result, Unrounded):
        numbers = {"height": height, "width": width, "finish": layer.finish()}
        zero = plus("3 * here + next", 16 * layer.X.zero_point, "-")
        return over_the_map(layer, "twice_as_large", sum=zero, **numbers)
    down, along = layer.shape[1] // height, layer.shape[2] // width
    if (down * height, along * width) != tuple(layer.shape[1:]):
        raise ValueError("C repeats each pixel a whole number of times: Resize asks for another")
    return over_the_map(layer, "repeat", down=down, along=along)


def add(layer: Layer) -> str:
    scale, zero = layer.grid.scale, layer.grid.zero_point
    (m_a, m_b, constant), shift = common_point(*added(*layer.activations, scale, zero))
    low, high = layer.result.ends(scale, zero)
    a, b = elements(layer)
    return over_the_map(
        layer, "add",
        a=a, b=b, m_a=m_a, m_b=m_b, constant=constant, shift=shift, low=low, high=high,
    )  # fmt: skip


def multiply(layer: Layer) -> str:
    pairs = zip(elements(layer), layer.activations, strict=True)
    a, b = (centred(element, X) for element, X in pairs)
    return over_the_map(layer, "multiply", a=a, b=b, finish=layer.finish())


def elements(layer: Layer) -> list[str]:
    """Where the loop is in each of two inputs; one of a single row repeats it."""
    found = []
    for name, X in zip("ab", layer.activations, strict=True):
        sizes = X.q.shape[1:]
        letters = zip(LETTERS, sizes, strict=False)
        found.append(name + "".join(letter if size > 1 else "[0]" for letter, size in letters))
    return found


def tables(layer: Layer) -> str:
    """What becomes of each of 256 integers: one input after another."""
    loops, begin = [], 0
    for number, X in enumerate(layer.activations):
        every = Integers(np.arange(256, dtype=np.uint8), X.scale, X.zero_point)
        if layer.kind == "Concat":
            scale, zero = layer.grid.scale, layer.grid.zero_point
            table = lookup_table(X, scale, zero).clip(*layer.result.ends(scale, zero))
        else:
            table = OPERATIONS[layer.kind](every, *layer.arguments[1:], **layer.options).q
        same = np.array_equal(table, every.q)
        name = "" if same else layer.array(f"table{number}", table.astype(np.uint8))
        size = math.prod(X.q.shape[1:])
        loops.append(LOOPS["copy" if same else "look_up"].substitute(
            size=size, y=plus("n", begin), number=number, table=name,
        ))  # fmt: skip
        begin += size
    return "\n".join(loops)


def enter(layer: Layer) -> str:
    """The bytes of the pixels; a table for each channel, or one for all."""
    table = layer.arguments[0]
    name, size = layer.array("table", table), math.prod(layer.shape) // len(table)
    return LOOPS["enter"].substitute(channels=len(table), size=size, table=name)


def leave(layer: Layer) -> str:
    """Integers to floats."""
    value = f"(float){centred('x0[n]', layer.X)} * {literal(np.float32(layer.X.scale))}"
    return LOOPS["leave"].substitute(size=math.prod(layer.shape), value=value)


def permute(layer: Layer) -> str:
    """Every element to another place, by loops over the result."""
    sizes, order = (
        list(layer.X.q.shape[1:]),
        [axis - 1 for axis in layer.options.get("perm", [])[1:]],
    )
    if layer.kind == "DepthToSpace":
        (channels, *lengths), b = sizes, layer.options["blocksize"]
        left, first = channels // b**2, layer.options.get("mode", b"DCR") == b"CRD"
        sizes, order = ([left, b, b, *lengths], [0, 3, 1, 4, 2]) if first else (
            [b, b, left, *lengths], [2, 3, 0, 4, 1]
        )  # fmt: skip
    steps = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
    lines = [f"    for (int i{axis} = 0; i{axis} < {sizes[axis]}; i{axis}++)" for axis in order]
    place = " + ".join(times(f"i{axis}", step) for axis, step in enumerate(steps))
    return "\n".join(["    int n = 0;", *lines, f"        y[n++] = x0[{place}];"])


FLAT = {
    "Clip", "Concat", "DepthToSpace", "Enter", "Leave", "QuantizeLinear", "Relu", "Transpose",
}  # fmt: skip
WRITERS: dict[str, Callable[[Layer], str]] = {
    "Add": add,
    "AveragePool": add_up,
    "Clip": tables,
    "Concat": tables,
    "Conv": conv,
    "DepthToSpace": permute,
    "Enter": enter,
    "Gemm": gemm,
    "GlobalAveragePool": add_up,
    "Leave": leave,
    "MaxPool": largest,
    "Mul": multiply,
    "QuantizeLinear": tables,
    "ReduceMax": largest,
    "Relu": tables,
    "Resize": resize,
    "Transpose": permute,
}
