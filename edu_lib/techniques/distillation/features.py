"""Features inside student and teacher: caught, compared as hints, or as maps of attention.

Sources: Romero et al. 2015, "FitNets: Hints for Thin Deep Nets"; Zagoruyko, Komodakis 2017, "Paying
More Attention to Attention". Chapter 11.
"""

import difflib
from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.techniques.distillation.losses import at_least_float32, check_same_shape


class FeatureTap:
    """Catches the outputs of named layers while a model runs:

        with FeatureTap(model, ["c3", "c5"]) as tap:
            logits = model(X)
        tap["c3"]  # the features, with their gradient history

    layers: names as `model.named_modules()` gives them. A layer that runs more than once shows its
    last output. What is caught is a copy, so that an in-place operation behind the layer does not
    change it. Leaving the block takes the hooks away; what was caught stays.
    Raises ValueError for a layer that there is not, and from `tap[layer]` if the layer has not run
    yet or does not put out one tensor.
    """

    def __init__(self, model: nn.Module, layers: Iterable[str]):
        if isinstance(layers, str):
            raise ValueError(f"layers must be a list of names, got the string {layers!r}")
        self.layers = list(layers)
        modules = dict(model.named_modules(remove_duplicate=False))
        for layer in self.layers:
            if layer not in modules:
                raise ValueError(_no_such_layer(model, layer, list(modules)))
        self.outputs: dict[str, object] = {}
        self.hooks = [
            modules[layer].register_forward_hook(self._keep(layer)) for layer in self.layers
        ]

    def __enter__(self) -> "FeatureTap":
        return self

    def __exit__(self, *exception) -> None:
        self.remove()

    def remove(self) -> None:
        """Take the hooks away."""
        for hook in self.hooks:
            hook.remove()

    def __getitem__(self, layer: str) -> Tensor:
        if layer not in self.layers:
            raise ValueError(f"layer {layer!r} is not tapped: {', '.join(self.layers)} are")
        if layer not in self.outputs:
            raise ValueError(f"layer {layer!r} has not run: call the model within the block first")
        output = self.outputs[layer]
        if not isinstance(output, Tensor):
            raise ValueError(
                f"layer {layer!r} puts out a {type(output).__name__}, no tensor: tap a layer in it"
            )
        return output

    def _keep(self, layer: str):
        def hook(module: nn.Module, args: tuple, output: object) -> None:
            # a ReLU(inplace=True) or `y += x` behind the layer would write into its output
            self.outputs[layer] = output.clone() if isinstance(output, Tensor) else output

        return hook


def _no_such_layer(model: nn.Module, layer: str, names: list[str]) -> str:
    close = difflib.get_close_matches(layer, names, n=3, cutoff=0.3)
    shown = close or [name for name in names if name][:5]
    return f"{type(model).__name__} has no layer {layer!r}; it has {', '.join(shown)}"


def hint_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Half the mean squared difference between the student's features and the teacher's.

    Features of any shape, both alike: where they differ, a `hint_regressor` comes first. Returns a
    scalar; the paper sums over the elements, the mean makes the loss independent of their number.
    The teacher gets no gradient. Raises ValueError for shapes that differ.
    Source: Romero et al. 2015, section 2.2. Taught in chapter 11.
    """
    check_same_shape(student_features, teacher_features, "features")
    difference = at_least_float32(student_features) - teacher_features.detach()
    # L_HT = 1/2 ||u_h - r(v_g)||^2
    return difference.square().mean() / 2


def hint_regressor(student_features: Tensor, teacher_features: Tensor) -> nn.Module:
    """A new layer that takes features of the student's shape to the teacher's, to be trained too.

    Features [N, C] make it linear. [N, C, H, W] make it a convolution without padding, with the
    kernel k = (student's size) - (teacher's size) + 1 in each direction: 1x1 for equal maps. Equal
    shapes need none: it is then nn.Identity.
    It has the student's type and device, float32 at least.
    Raises ValueError for other shapes, or if the student's maps are the smaller ones.
    Source: Romero et al. 2015, section 2.2. Taught in chapter 11.
    """
    student, teacher = student_features.shape, teacher_features.shape
    if len(student) != len(teacher) or len(student) not in (2, 4):
        raise ValueError(
            "features must both be [N, C] or both [N, C, H, W], "
            f"got {tuple(student)} and {tuple(teacher)}"
        )
    if student[1:] == teacher[1:]:
        return nn.Identity()
    like = at_least_float32(student_features[:0])
    if len(student) == 2:
        return nn.Linear(student[1], teacher[1]).to(like)
    # N_g - k + 1 = N_h
    kernel_size = (student[2] - teacher[2] + 1, student[3] - teacher[3] + 1)
    if min(kernel_size) < 1:
        raise ValueError(
            f"the student's maps ({student[2]}x{student[3]}) are smaller than the teacher's "
            f"({teacher[2]}x{teacher[3]}): take a hint from a later layer of the teacher"
        )
    return nn.Conv2d(student[1], teacher[1], kernel_size).to(like)


def attention_map(features: Tensor) -> Tensor:
    """Where a layer is active: features [N, C, H, W] to one map [N, H, W] of length 1 an image.

    Raises ValueError for features of another form.
    Source: Zagoruyko, Komodakis 2017 (the sum of squared activations). Taught in chapter 11.
    """
    if features.dim() != 4:
        raise ValueError(
            f"attention needs features [N, C, H, W], got shape {tuple(features.shape)}: "
            "tap a convolution"
        )
    # Q = sum_c A_c^2, then Q / ||Q||_2
    Q = at_least_float32(features).square().sum(dim=1)
    return F.normalize(Q.flatten(1), dim=1).view_as(Q)


def attention_loss(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Half the squared distance between the two attention maps, the mean over the images.

    Features [N, C, H, W]: the channels may differ, the size of the maps may not. Returns a scalar
    from 0 (they look at the same place) to 1 (at places that share nothing); it is 1 minus the
    cosine of the maps. The square, as in the authors' code and unlike the paper's formula, has a
    gradient where the maps are equal. The teacher gets no gradient.
    Raises ValueError for maps of different sizes or features of another form.
    Source: Zagoruyko, Komodakis 2017. Taught in chapter 11.
    """
    own, target = attention_map(student_features), attention_map(teacher_features.detach())
    if own.shape != target.shape:
        raise ValueError(
            f"the student's maps {tuple(own.shape)} and the teacher's {tuple(target.shape)} "
            "differ in [N, H, W]: tap two layers whose maps have the same size"
        )
    # L = 1/2 ||Q_S / ||Q_S|| - Q_T / ||Q_T|| ||^2
    return (own - target).square().flatten(1).sum(dim=1).mean() / 2
