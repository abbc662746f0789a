"""Draws what stands at the roadside: lamps, signs, traffic lights, rails and gantries."""

import math

from roads.canvas import Canvas, scaled
from roads.labels import SIGN
from roads.things import Gantry, Lamp, Rail, Sign, TrafficLight
from roads.weather import Light

STEEL = (104, 106, 109)
WHITE, RED, BLUE = (232, 232, 228), (196, 26, 32), (24, 72, 164)
YELLOW, BLACK = (244, 192, 30), (24, 24, 26)
REFLECTIVE = 0.55  # share of a plate's colour that headlights bring back at night
LAMP_COLOUR = (255, 206, 134)
SIGNALS = ((255, 54, 42), (255, 184, 44), (64, 240, 116))
OCTAGON = [
    (math.cos(k * math.pi / 4 + math.pi / 8), math.sin(k * math.pi / 4 + math.pi / 8))
    for k in range(8)
]
TRIANGLE = [(0.0, 1.1), (1.05, -0.72), (-1.05, -0.72)]
DIAMOND = [(0.0, 1.2), (1.2, 0.0), (0.0, -1.2), (-1.2, 0.0)]
SQUARE = [(-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)]


def draw_lamp(canvas: Canvas, lamp: Lamp, x: float, z: float, slope: float, light: Light) -> None:
    """A pole with an arm over the road; it shines at dusk and at night."""
    if z < 2:
        return
    canvas.begin(SIGN, z, owner=lamp)
    shine, top, side = light.on_wall(0, -1), lamp.height, lamp.side
    steel = scaled(STEEL, shine)
    arm = x - side * 1.7
    canvas.area([(x - 0.1, 0, z), (x + 0.1, 0, z), (x + 0.06, top, z), (x - 0.06, top, z)], steel)
    canvas.area([(x, top - 0.12, z), (x, top, z), (arm, top + 0.3, z), (arm, top + 0.19, z)], steel)
    on = light.weather in ("dusk", "night")
    head = (255, 244, 214) if on else scaled((150, 152, 154), shine)
    canvas.upright(arm - 0.38, arm + 0.38, top + 0.14, top + 0.34, z, head)
    if on:
        strength = 1.0 if light.weather == "night" else 0.6
        canvas.glow(arm, top + 0.2, z, 1.15, LAMP_COLOUR, strength)


class _Plate:
    """Paints on a sign's plate, in shares of its radius around its centre."""

    def __init__(self, canvas: Canvas, x: float, y: float, z: float, radius: float, shine: float):
        self.canvas, self.shine = canvas, shine
        self.x, self.y = canvas.point(x, y, z)
        self.radius = radius * canvas.focal / z

    def shape(self, outline, scale, colour) -> None:
        size = self.radius * scale
        points = [(self.x + x * size, self.y - y * size) for x, y in outline]
        self.canvas.polygon(points, scaled(colour, self.shine))

    def disc(self, scale, colour) -> None:
        self.canvas.disc(self.x, self.y, self.radius * scale, scaled(colour, self.shine))

    def bar(self, x0, y0, x1, y1, colour) -> None:
        self.shape([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], 1.0, colour)


def _paint_plate(plate: _Plate, kind: str) -> None:
    if kind == "no_entry":
        plate.disc(1.0, RED)
        plate.bar(-0.66, -0.17, 0.66, 0.17, WHITE)
    elif kind == "limit":
        plate.disc(1.0, RED)
        plate.disc(0.72, WHITE)
        plate.bar(-0.42, -0.3, -0.08, 0.3, BLACK)
        plate.bar(0.1, -0.3, 0.44, 0.3, BLACK)
    elif kind == "warning":
        plate.shape(TRIANGLE, 1.1, RED)
        plate.shape(TRIANGLE, 0.68, WHITE)
        plate.bar(-0.09, -0.2, 0.09, 0.36, BLACK)
    elif kind == "crossing":
        plate.shape(SQUARE, 0.95, BLUE)
        plate.shape(TRIANGLE, 0.7, WHITE)
        plate.bar(-0.1, -0.35, 0.1, 0.25, BLACK)
    elif kind == "stop":
        plate.shape(OCTAGON, 1.08, WHITE)
        plate.shape(OCTAGON, 0.98, RED)
        plate.bar(-0.66, -0.17, 0.66, 0.17, WHITE)
    elif kind == "parking":
        plate.shape(SQUARE, 0.95, BLUE)
        plate.bar(-0.4, -0.62, -0.16, 0.62, WHITE)
        plate.bar(-0.16, 0.4, 0.4, 0.62, WHITE)
        plate.bar(0.2, 0.0, 0.42, 0.62, WHITE)
        plate.bar(-0.16, -0.06, 0.4, 0.16, WHITE)
    else:
        plate.shape(DIAMOND, 1.0, WHITE)
        plate.shape(DIAMOND, 0.72, YELLOW)


def draw_sign(canvas: Canvas, sign: Sign, x: float, z: float, slope: float, light: Light) -> None:
    """A plate on a post. At night it throws the headlights back."""
    if z < 2:
        return
    canvas.begin(SIGN, z, owner=sign)
    shine = light.on_wall(0, -1)
    canvas.upright(x - 0.045, x + 0.045, 0, sign.height, z, scaled(STEEL, shine))
    night = light.weather == "night"
    if night and not canvas.full:
        canvas.begin(SIGN, z, owner=sign, emits=REFLECTIVE)
    bright = 1.0 if night else shine + 0.08
    _paint_plate(_Plate(canvas, x, sign.height, z, sign.radius, bright), sign.kind)


def draw_traffic_light(
    canvas: Canvas, signal: TrafficLight, x: float, z: float, slope: float, light: Light
) -> None:
    """Three lamps on a post, one of them on."""
    if z < 2:
        return
    canvas.begin(SIGN, z, owner=signal)
    canvas.upright(x - 0.06, x + 0.06, 0, 2.6, z, scaled(STEEL, light.on_wall(0, -1)))
    canvas.upright(x - 0.24, x + 0.24, 2.4, 3.62, z, (214, 214, 208))
    canvas.upright(x - 0.2, x + 0.2, 2.44, 3.58, z, (26, 28, 31))
    for index, colour in enumerate(SIGNALS):
        height = 3.38 - 0.37 * index
        on = index == signal.shows
        column, row = canvas.point(x, height, z)
        canvas.disc(column, row, 0.145 * canvas.focal / z, colour if on else scaled(colour, 0.22))
        if on:
            canvas.glow(x, height, z, 0.45, colour, 0.7)


def draw_rail(canvas: Canvas, rail: Rail, x: float, z: float, slope: float, light: Light) -> None:
    """One stretch of a guard rail, with two posts."""
    end_x, end_z = x + slope * rail.length, z + rail.length
    if end_z < 2:
        return
    share = max(0.0, (1.0 - z) / rail.length)
    x, z = x + slope * rail.length * share, z + rail.length * share
    canvas.begin(SIGN, z, owner=rail, wall=((x, z), (end_x, end_z)))
    steel = scaled((156, 160, 164), light.on_wall(-rail.side, slope * rail.side))
    for share in (0.25, 0.75):
        post_x, post_z = x + (end_x - x) * share, z + (end_z - z) * share
        if post_z < 50:
            canvas.upright(post_x - 0.06, post_x + 0.06, 0, 0.7, post_z, scaled(STEEL, 0.9))
    for low, high, tone in ((0.46, 0.78, 1.0), (0.57, 0.64, 0.72), (0.74, 0.78, 1.2)):
        corners = [(x, low, z), (end_x, low, end_z), (end_x, high, end_z), (x, high, z)]
        canvas.area(corners, scaled(steel, tone))


def draw_gantry(
    canvas: Canvas, gantry: Gantry, x: float, z: float, slope: float, light: Light
) -> None:
    """A beam over the road with two direction boards."""
    if z < 3:
        return
    emits = REFLECTIVE / 2 if light.weather == "night" else 0.0
    canvas.begin(SIGN, z, owner=gantry, emits=emits)
    shine = light.on_wall(0, -1)
    steel = scaled(STEEL, shine)
    half, top = (gantry.right - gantry.left) / 2, gantry.height
    left, right = x - half, x + half
    for post in (left, right):
        canvas.upright(post - 0.15, post + 0.15, 0, top, z, steel)
    canvas.upright(left, right, top - 0.5, top - 0.3, z, steel)
    canvas.upright(left, right, top, top + 0.15, z, steel)
    board, white = scaled(gantry.colour, shine), scaled(WHITE, shine)
    width = (right - left) * 0.3
    for middle in (left + (right - left) * 0.36, left + (right - left) * 0.74):
        canvas.upright(middle - width / 2, middle + width / 2, top - 1.1, top + 0.8, z, white)
        canvas.upright(
            middle - width / 2 + 0.1, middle + width / 2 - 0.1, top - 1.0, top + 0.7, z, board
        )
        for row, reach in ((top + 0.15, 0.3), (top - 0.4, 0.18)):
            start = middle - width * 0.36
            canvas.upright(start, start + width * (reach + 0.3), row, row + 0.26, z, white)
