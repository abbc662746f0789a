"""Meshes of vehicles, built once from their shapes."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from roads.shapes import SHAPES, Shape

CIRCLE = [(np.cos(k * np.pi / 6), np.sin(k * np.pi / 6)) for k in range(12)]


@dataclass(frozen=True)
class Part:
    """Corners first, ..., last - 1 of a mesh. face: "end", "left", "right" or "top"."""

    first: int
    last: int
    material: str
    face: str
    shade: float
    detail: bool  # left out far away


@dataclass(frozen=True)
class Mesh:
    """corners: [V, 3], metres from the rear, share of the half width, height.

    triples: [P, 3], three corners of each part, anticlockwise when seen from outside.
    """

    corners: np.ndarray
    parts: tuple[Part, ...]
    triples: np.ndarray


class _Builder:
    def __init__(self, shape: Shape):
        self.shape = shape
        self.corners: list[tuple[float, float, float]] = []
        self.parts: list[Part] = []
        self.triples: list[tuple[int, int, int]] = []

    def add(self, corners, material, face, shade=1.0, detail=False, triple=(0, 1, 2)) -> None:
        first = len(self.corners)
        self.corners += corners
        self.parts.append(Part(first, first + len(corners), material, face, shade, detail))
        self.triples.append(tuple(first + index for index in triple))

    def side_share(self, height: float) -> float:
        """Share of the half width at a height, on the way from the shoulder to the roof."""
        rows = sorted((row[1], row[2]) for row in self.shape.profile)
        return float(np.interp(height, [row[0] for row in rows], [row[1] for row in rows]))

    def sides(self, side: int) -> None:
        """One side: panel, windows, wheels. side +1 is the right one."""
        shape, face = self.shape, "right" if side > 0 else "left"
        panel = [(a, side * share, y) for a, y, share, _ in shape.profile]
        count = len(panel)
        triple = (0, count // 2, count - 1)
        order = triple if side < 0 else triple[::-1]
        material = "box" if any(row[3] == "box" for row in shape.profile) else "body"
        self.add(panel, material, face, 1.0, triple=order)
        sill = [(0.15, 0.30), (0.05, 0.52), (shape.length - 0.05, 0.52), (shape.length - 0.1, 0.30)]
        if material == "body":
            corners = [(a, side, y) for a, y in sill]
            self.add(corners, "body", face, 0.72, True, (0, 1, 2) if side < 0 else (2, 1, 0))
        low, high = shape.window_heights
        for rear, front, front_top, rear_top in shape.windows:
            bottom, top = side * self.side_share(low), side * self.side_share(high)
            corners = [(rear, bottom, low), (front, bottom, low)]
            corners += [(front_top, top, high), (rear_top, top, high)]
            self.add(corners, "glass", face, 1.0, triple=(0, 3, 2) if side < 0 else (2, 3, 0))
        for wheel in shape.wheels:
            for scale, material in ((1.22, "arch"), (1.0, "tyre"), (0.62, "rim")):
                radius = shape.radius * scale
                ring = [(wheel + radius * c, side, shape.radius + radius * s) for c, s in CIRCLE]
                if material == "arch":
                    ring = [(a, b, max(y, 0.16)) for a, b, y in ring]
                order = (0, 8, 4) if side < 0 else (0, 4, 8)
                self.add(ring, material, face, 1.0, material != "tyre", order)

    def strips(self) -> None:
        """The skin between the two sides, from the rear bumper over the roof to the front."""
        profile = self.shape.profile
        for (a0, y0, w0, material), (a1, y1, w1, _) in pairwise(profile):
            rise = (a1 - a0) / max(np.hypot(a1 - a0, y1 - y0), 1e-6)
            corners = [(a0, w0, y0), (a0, -w0, y0), (a1, -w1, y1), (a1, w1, y1)]
            face = "top" if material == "roof" else "end"
            self.add(corners, material, face, 0.92 + 0.2 * rise, triple=(0, 2, 1))
            if material == "glass":
                self.glint(a0, y0, w0, a1, y1, w1)

    def glint(self, a0, y0, w0, a1, y1, w1) -> None:
        """The sky's reflection: the upper part of a window, cut slantwise."""
        if y1 < y0:
            a0, y0, w0, a1, y1, w1 = a1, y1, w1, a0, y0, w0
        spots = [(0.35, 0.85), (0.55, -0.2), (0.94, -0.5), (0.94, 0.9)]
        corners = [
            (a0 + (a1 - a0) * up, across * (w0 + (w1 - w0) * up), y0 + (y1 - y0) * up)
            for up, across in spots
        ]
        rear = a0 < self.shape.length / 2
        self.add(corners, "glint", "end", 1.0, True, (0, 2, 1) if rear else (1, 2, 0))

    def ends(self) -> None:
        """Lamps and number plates, and the tyres under the bumpers."""
        shape = self.shape
        for at, lamps, material in (
            (-0.01, shape.tail, "tail"),
            (shape.length + 0.01, shape.head, "head"),
        ):
            rear = at < 0
            bottom, top, inner, outer = lamps
            order = (0, 2, 1) if rear else (1, 2, 0)
            for side in (-1, 1):
                low, high = sorted((side * inner, side * outer))
                corners = [(at, high, bottom), (at, low, bottom), (at, low, top), (at, high, top)]
                self.add(corners, material, "end", triple=order)
            middle = shape.profile[2][1] - 0.02
            plate = [(at, 0.27, middle), (at, -0.27, middle), (at, -0.27, middle + 0.12)]
            plate.append((at, 0.27, middle + 0.12))
            self.add(plate, "plate", "end", detail=True, triple=order)

    def tyres(self) -> None:
        shape = self.shape
        for at, rear in (
            (shape.wheels[0] - shape.radius, True),
            (shape.wheels[1] + shape.radius, False),
        ):
            for side in (-1, 1):
                low, high = sorted((side * 0.7, side * 0.97))
                corners = [(at, high, 0.0), (at, low, 0.0), (at, low, 0.45), (at, high, 0.45)]
                self.add(corners, "tyre", "end", triple=(0, 2, 1) if rear else (1, 2, 0))


@cache
def mesh(kind: str) -> Mesh:
    """The mesh of one kind of vehicle."""
    builder = _Builder(SHAPES[kind])
    builder.tyres()
    builder.sides(-1)
    builder.sides(1)
    builder.strips()
    builder.ends()
    corners = np.array(builder.corners, np.float64)
    return Mesh(corners, tuple(builder.parts), np.array(builder.triples))
