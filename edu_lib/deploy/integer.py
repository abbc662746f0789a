"""An int8 network run with integers alone, in NumPy: what a chip without floats does. Chapter 09.

It reads the file that `export_int8` writes. Floats occur at the two doors, where pixels come in and
answers go out, and in constants computed once when the file is opened. In between there are 8-bit
activations, 32-bit accumulators, and multiplications by fixed-point numbers of 24 bits.
Source: Jacob et al. 2018, sections 2.2 to 2.4.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edu_lib.deploy.arithmetic import PAIRS, Integers, Unrounded, real
from edu_lib.deploy.operations import AT_THE_DOORS, OPERATIONS


class IntegerNetwork:
    """An int8 network from a file, ready to run. peak_bytes: working memory of the last run.

    That is the most that activations and accumulators took at one moment; weights are not counted.
    saturating: None for exact sums of products; "onnxruntime" or "openvino" for the sums that end
    at 16 bits there, on x86 with AVX2 or AVX-512 and without VNNI.
    Raises ValueError naming an operation that would need floats (tanh, local normalisation, ...).
    """

    def __init__(self, path: str | Path, saturating: str | None = None):
        if saturating not in PAIRS:
            rules = ", ".join(map(repr, PAIRS))
            raise ValueError(f"saturating is one of {rules}, got {saturating!r}")
        graph = onnx.load(str(path)).graph
        self.name, self.pairs_of = Path(path).name, PAIRS[saturating]
        self.constants = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self.nodes = list(graph.node)
        self.inputs = [each.name for each in graph.input]
        self.outputs = [output.name for output in graph.output]
        unknown = sorted({node.op_type for node in self.nodes} - {*OPERATIONS, *AT_THE_DOORS})
        if unknown:
            raise ValueError(f"{self.name} needs floats for {', '.join(unknown)}")
        # a batch of no images goes through all operations at no cost
        dims = [each.type.tensor_type.shape.dim for each in graph.input]
        self.shapes = [tuple(size.dim_value for size in each[1:]) for each in dims]  # of one image
        self.run(tuple(np.zeros([0, *shape]) for shape in self.shapes))

    def run(
        self, X: np.ndarray | tuple[np.ndarray, ...], watch: Collection[str] = ()
    ) -> dict[str, np.ndarray]:
        """The outputs, float32, for inputs X, float32 [N, C, H, W], by name.

        X: a tuple for a network of several inputs. watch: names of values in the file whose
        integers are handed out too.
        """
        doors = zip(self.inputs, X if isinstance(X, tuple) else (X,), strict=True)
        values: dict[str, object] = dict(self.constants)
        values |= {name: np.asarray(each, np.float32) for name, each in doors}
        wanted = {*self.outputs, *watch}
        last_use = {name: i for i, node in enumerate(self.nodes) for name in node.input}
        self.peak_bytes, self.floats = 0, {}
        for i, node in enumerate(self.nodes):
            values[node.output[0]] = self.compute(node, values)
            self.peak_bytes = max(self.peak_bytes, self._bytes_held(values))
            for name in set(node.input) - wanted - {"", *self.constants}:
                if last_use[name] == i:
                    del values[name]
        return {name: _answer(values[name], name in self.outputs) for name in wanted}

    def compute(self, node: onnx.NodeProto, values: dict[str, object]) -> object:
        """What a node gives: with integers where that is possible, with floats at the doors."""
        arguments = [values[name] if name else None for name in node.input]
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type in ("Conv", "Gemm"):
            options["pairs_of"] = self.pairs_of
        left = [self.floats[name] for name in node.input if name in self.floats]
        if left and node.op_type == "QuantizeLinear":
            raise ValueError(f"{self.name} needs floats for {left[0]}")
        has_integers = any(isinstance(each, Integers | Unrounded) for each in arguments)
        if node.op_type in OPERATIONS and (has_integers or "Linear" in node.op_type):
            result = OPERATIONS[node.op_type](*arguments, **options)
            if result is not NotImplemented:
                return result
        if node.op_type not in AT_THE_DOORS:
            raise ValueError(f"{self.name} needs floats for {node.op_type}, as it is used there")
        if has_integers or left:  # out of the back door: nothing may become integers again
            self.floats[node.output[0]] = left[0] if left else node.op_type
        numbers = [real(each) for each in arguments]
        return AT_THE_DOORS[node.op_type](*numbers, **options)

    def _bytes_held(self, values: dict[str, object]) -> int:
        sizes = {}
        for name in values.keys() - self.constants.keys():
            value = values[name]
            for part in value.parts if isinstance(value, Unrounded) else (value,):
                array = part.q if isinstance(part, Integers) else part
                owner = array if array.base is None else array.base
                sizes[id(owner)] = owner.nbytes
        return sum(sizes.values())


def _answer(value: object, is_output: bool) -> np.ndarray:
    if is_output:
        return real(value)
    if isinstance(value, Unrounded):
        value = value.parts[0]
    return value.q if isinstance(value, Integers) else value
