"""Draws pedestrians and cyclists. A cyclist and the bicycle together count as one person."""

import math

from roads.canvas import Canvas, scaled
from roads.labels import PERSON
from roads.things import Person
from roads.weather import Light

DETAIL_M = 30.0
METAL = (52, 54, 60)


class _Figure:
    """Paints in shares of a person's height: x to the right of the feet, y up."""

    def __init__(self, canvas: Canvas, person: Person, x: float, z: float):
        self.canvas = canvas
        self.scale = canvas.focal * person.height / z
        self.x, self.y = canvas.point(x, 0.0, z)

    def polygon(self, points, colour) -> None:
        scale, x0, y0 = self.scale, self.x, self.y
        self.canvas.polygon([(x0 + x * scale, y0 - y * scale) for x, y in points], colour)

    def disc(self, x, y, radius, colour, width_share=1.0) -> None:
        at_x, at_y = self.x + x * self.scale, self.y - y * self.scale
        self.canvas.disc(at_x, at_y, radius * self.scale, colour, width_share)

    def ring(self, x, y, radius, width, colour, width_share=1.0) -> None:
        """A wheel: an ellipse of which only the rim is painted."""
        points = []
        for step in range(15):
            angle = step * math.pi / 7
            points.append(
                (
                    self.x + (x + radius * width_share * math.cos(angle)) * self.scale,
                    self.y - (y + radius * math.sin(angle)) * self.scale,
                )
            )
        self.canvas.line(points, colour, width * self.scale)

    def bar(self, x0, y0, x1, y1, width, colour) -> None:
        """A limb or a tube from one point to another."""
        dx, dy = x1 - x0, y1 - y0
        half = width / 2 / max(math.hypot(dx, dy), 1e-6)
        nx, ny = -dy * half, dx * half
        corners = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
        self.polygon(corners, colour)


def _head(figure: _Figure, person: Person, x: float, y: float, helmet: bool, shine: float) -> None:
    skin, hair = scaled(person.skin, shine), scaled(person.hair, shine)
    radius = 0.072 if person.height > 1.45 else 0.088
    figure.bar(x, y - 0.1, x, y - 0.02, 0.055, scaled(skin, 0.85))
    figure.disc(x, y, radius, hair if person.facing > 0 and not helmet else skin, 0.8)
    cap = [
        (
            x + radius * 0.86 * math.cos(k * math.pi / 6),
            y + 0.012 + radius * math.sin(k * math.pi / 6),
        )
        for k in range(7)
    ]
    figure.polygon(cap, scaled((225, 226, 222), shine) if helmet else hair)


def _torso(figure: _Figure, person: Person, x: float, low: float, high: float, colour) -> None:
    half = 0.108 * person.build
    outline = [
        (x - half * 0.78, low),
        (x + half * 0.78, low),
        (x + half * 0.72, (low + high) / 2),
        (x + half, high - 0.045),
        (x + half * 0.55, high),
        (x - half * 0.55, high),
        (x - half, high - 0.045),
        (x - half * 0.72, (low + high) / 2),
    ]
    figure.polygon(outline, colour)
    shade = [outline[0], (x - half * 0.2, low), (x - half * 0.15, high), *outline[5:]]
    figure.polygon(shade, scaled(colour, 0.82))


def _walker(figure: _Figure, person: Person, shine: float, detailed: bool) -> None:
    legs, top = scaled(person.legs, shine), scaled(person.top, shine)
    swing = 0.11 * person.stride
    hip = 0.045 * person.build
    for side in (-1, 1):
        knee_x, foot_x = side * (hip + swing * 0.25), side * (hip * 0.7 + swing)
        colour = legs if side > 0 else scaled(legs, 0.78)
        figure.bar(side * hip, 0.5, knee_x, 0.27, 0.085 * person.build, colour)
        figure.bar(knee_x, 0.28, foot_x, 0.03, 0.065 * person.build, colour)
        figure.bar(foot_x - 0.03, 0.012, foot_x + 0.05, 0.012, 0.035, (30, 28, 28))
    if person.bag and person.facing > 0:
        figure.bar(0.0, 0.55, 0.0, 0.8, 0.26, scaled(person.top, 0.4 * shine))
    _torso(figure, person, 0.0, 0.46, 0.83, top)
    if detailed:
        shoulder = 0.105 * person.build
        for side in (-1, 1):
            elbow_x, hand_x = side * (shoulder + 0.035), side * (shoulder + 0.02) - swing * 0.35
            colour = scaled(top, 0.92 if side > 0 else 0.74)
            figure.bar(side * shoulder, 0.79, elbow_x, 0.62, 0.055, colour)
            figure.bar(elbow_x, 0.63, hand_x, 0.48, 0.045, colour)
            figure.disc(hand_x, 0.46, 0.022, scaled(person.skin, shine))
        if person.bag and person.facing < 0:
            figure.bar(
                shoulder + 0.05, 0.46, shoulder + 0.05, 0.33, 0.1, scaled((96, 60, 40), shine)
            )
    _head(figure, person, 0.0, 0.915, False, shine)


def _cyclist_along(figure: _Figure, person: Person, shine: float) -> None:
    legs, top = scaled(person.legs, shine), scaled(person.top, shine)
    figure.bar(0.0, 0.0, 0.0, 0.40, 0.035, (24, 24, 26))
    figure.bar(0.0, 0.36, 0.0, 0.56, 0.025, METAL)
    for side, foot in ((-1, 0.12), (1, 0.22)):
        colour = legs if side > 0 else scaled(legs, 0.78)
        figure.bar(side * 0.05, 0.6, side * 0.085, foot + 0.2, 0.08, colour)
        figure.bar(side * 0.085, foot + 0.2, side * 0.06, foot, 0.055, colour)
        figure.bar(side * 0.03, foot, side * 0.09, foot, 0.03, (30, 28, 28))
    figure.bar(-0.15, 0.62, 0.15, 0.62, 0.022, METAL)
    _torso(figure, person, 0.0, 0.56, 0.93, top)
    for side in (-1, 1):
        figure.bar(side * 0.1, 0.88, side * 0.15, 0.64, 0.055, scaled(top, 0.8))
    if person.facing > 0:
        figure.disc(0.0, 0.5, 0.018, (230, 40, 34))
    _head(figure, person, 0.0, 1.0, True, shine)


def _cyclist_across(figure: _Figure, person: Person, shine: float) -> None:
    legs, top = scaled(person.legs, shine), scaled(person.top, shine)
    front = person.facing
    for x in (-0.29, 0.29):
        figure.ring(x, 0.19, 0.18, 0.022, (26, 26, 28))
    frame = scaled(person.hair, 1.6)
    for x0, y0, x1, y1 in (
        (-0.29, 0.19, -0.03, 0.19),
        (-0.29, 0.19, -0.1, 0.45),
        (-0.1, 0.45, -0.03, 0.19),
        (-0.03, 0.19, 0.2, 0.45),
        (-0.1, 0.43, 0.19, 0.45),
        (0.29, 0.19, 0.18, 0.52),
    ):
        figure.bar(front * x0, y0, front * x1, y1, 0.022, frame)
    for knee, foot_x, foot_y, tone in ((0.1, -0.07, 0.24, 0.78), (0.16, 0.04, 0.1, 1.0)):
        colour = scaled(legs, tone)
        figure.bar(front * -0.1, 0.52, front * knee, 0.4, 0.085, colour)
        figure.bar(front * knee, 0.4, front * foot_x, foot_y, 0.06, colour)
    figure.bar(front * -0.1, 0.5, front * 0.06, 0.84, 0.16, top)
    figure.bar(front * 0.06, 0.8, front * 0.19, 0.55, 0.05, scaled(top, 0.8))
    _head(figure, person, front * 0.11, 0.93, True, shine)


def draw_person(
    canvas: Canvas, person: Person, x: float, z: float, slope: float, light: Light
) -> None:
    """Draws a pedestrian or a cyclist standing at (x, z)."""
    if z < 1.2:
        return
    figure = _Figure(canvas, person, x, z)
    if figure.scale < 3 or abs(figure.x - canvas.centre) > canvas.size[0] / 2 + figure.scale:
        return
    canvas.begin(PERSON, z, owner=person)
    shine = light.on_wall(slope, -1.0)
    if person.bicycle == "along":
        _cyclist_along(figure, person, shine)
        if light.mood.lamps and person.facing > 0:
            canvas.glow(x, 0.85, z, 0.2, (255, 50, 40), 0.6)
    elif person.bicycle == "across":
        _cyclist_across(figure, person, shine)
    else:
        _walker(figure, person, shine, z < DETAIL_M)
