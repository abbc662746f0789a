"""Peak activation memory: the most bytes that wait at one moment. Taught in chapter 01."""

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operations that return their result first and then what a backward pass would need.
FOR_BACKWARD = ("_norm", "_norm_legit", "_norm_legit_no_training", "_with_indices", "_for_cpu")


class LiveTensors(TorchDispatchMode):
    """While active, follows which tensors are alive; `peak_bytes` is their largest sum.

    Counted: the input, every result of an operation, and what a skip connection keeps alive until
    it is added. A view or an in-place result shares the memory of its source and counts once.
    Not counted: parameters, buffers, the scratch memory inside one operation, and what an
    operation returns beside its result for a backward pass (statistics, positions of maxima).
    Memory is looked at after each operation, when its inputs and its outputs both exist.
    """

    def __init__(self, model: nn.Module, X: torch.Tensor):
        super().__init__()
        fixed = [*model.parameters(), *model.buffers()]
        self.fixed = {tensor.untyped_storage()._cdata for tensor in fixed}
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak_bytes = 0
        self._look_at(X)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self._look_at(out[0] if func.overloadpacket.__name__.endswith(FOR_BACKWARD) else out)
        return out

    def _look_at(self, out: object) -> None:
        self.alive = {key: seen for key, seen in self.alive.items() if not seen[0].expired()}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                storage = tensor.untyped_storage()
                if storage._cdata not in self.fixed:
                    self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        # peak = max over time of the sum of all live tensors
        live_bytes = sum(nbytes for _, nbytes in self.alive.values())
        self.peak_bytes = max(self.peak_bytes, live_bytes)
