"""Draws detached houses: two walls, a pitched roof, windows and a door."""

from roads.canvas import Canvas, scaled
from roads.labels import BUILDING
from roads.things import House
from roads.weather import Light

WARM = (255, 214, 136)
GLASS = (66, 78, 92)
FRAME = (228, 226, 220)
DETAIL_M = 80.0


class _Walls:
    """The front along the road from (x, z) to (end_x, end_z); the house lies behind it."""

    def __init__(self, house: House, x: float, z: float, slope: float):
        self.house = house
        self.x, self.z = x, max(z, 0.6)
        self.end_x, self.end_z = x + slope * house.length, z + house.length
        self.back = house.side * house.depth

    def front(self, share: float, height: float) -> tuple[float, float, float]:
        x = self.x + (self.end_x - self.x) * share
        return x, height, self.z + (self.end_z - self.z) * share

    def gable(self, share: float, height: float) -> tuple[float, float, float]:
        return self.x + self.back * share, height, self.z


def _openings(canvas: Canvas, walls: _Walls, at, spans, rows, glass) -> None:
    """Windows on one wall: spans are shares along it, rows are (bottom, top) in metres."""
    for low, high in rows:
        for start, end in spans:
            rim = 0.012
            corners = [(start - rim, low - 0.1), (end + rim, low - 0.1), (end + rim, high + 0.1)]
            corners.append((start - rim, high + 0.1))
            canvas.area([at(*corner) for corner in corners], scaled(FRAME, 0.9))
            canvas.area([at(start, low), at(end, low), at(end, high), at(start, high)], glass)


def _shell(canvas: Canvas, walls: _Walls, light: Light) -> None:
    house = walls.house
    eaves, ridge = house.height, house.height + house.roof
    side = house.side
    front = scaled(house.wall, light.on_wall(-side, 0))
    gable = scaled(house.wall, light.on_wall(0, -1) * 0.94)
    roof = scaled(house.tiles, light.on_wall(-side * 0.7, 0) * 1.1)
    canvas.area(
        [
            walls.gable(0, 0),
            walls.gable(1, 0),
            walls.gable(1, eaves),
            walls.gable(0.5, ridge),
            walls.gable(0, eaves),
        ],
        gable,
    )
    canvas.area(
        [walls.front(0, 0), walls.front(1, 0), walls.front(1, eaves), walls.front(0, eaves)], front
    )
    canvas.area(
        [walls.front(0, 0), walls.front(1, 0), walls.front(1, 0.4), walls.front(0, 0.4)],
        scaled(front, 0.8),
    )
    # The roof reaches a little over the wall.
    drop, over = house.roof * 0.1, -side * 0.5
    x0, _, z0 = walls.front(0, 0)
    x1, _, z1 = walls.front(1, 0)
    middle = walls.back / 2
    z0 -= 0.25
    slope = [(x0 + over, eaves - drop, z0), (x1 + over, eaves - drop, z1)]
    canvas.area([*slope, (x1 + middle, ridge, z1), (x0 + middle, ridge, z0)], roof)
    canvas.area(
        [*slope, (x1 + over, eaves - drop - 0.14, z1), (x0 + over, eaves - drop - 0.14, z0)],
        scaled(FRAME, 0.8),
    )
    _chimney(canvas, walls)


def _chimney(canvas: Canvas, walls: _Walls) -> None:
    house = walls.house
    x, _, z = walls.front(0.6, 0)
    middle, ridge = x + walls.back / 2, house.height + house.roof
    tiles = scaled(house.tiles, 0.8)
    canvas.upright(middle - 0.3, middle + 0.3, ridge - 0.3, ridge + 0.7, z, tiles)


def draw_house(
    canvas: Canvas, house: House, x: float, z: float, slope: float, light: Light
) -> None:
    """Draws one house whose front wall starts at (x, z)."""
    if z + house.length < 5:
        return
    walls = _Walls(house, x, z, slope)
    wall = ((walls.x, walls.z), (walls.end_x, walls.end_z))
    canvas.begin(BUILDING, walls.z, owner=house, wall=wall)
    _shell(canvas, walls, light)
    if z > DETAIL_M:
        return
    storeys = [(0.95, 2.15)] + ([(3.6, 4.7)] if house.height > 5 else [])
    spans = [(0.08, 0.22), (0.34, 0.46), (0.76, 0.9)]
    gable_spans = [(0.2, 0.34), (0.62, 0.76)]
    glass = scaled(GLASS, 0.9)
    _openings(canvas, walls, walls.front, spans, storeys, glass)
    _openings(canvas, walls, walls.gable, gable_spans, storeys, glass)
    door = scaled(house.tiles, 0.7)
    canvas.area(
        [
            walls.front(0.56, 0),
            walls.front(0.66, 0),
            walls.front(0.66, 2.1),
            walls.front(0.56, 2.1),
        ],
        door,
    )
    if light.weather in ("night", "dusk"):
        _lit_windows(canvas, walls, spans, gable_spans, storeys)


def _lit_windows(canvas: Canvas, walls: _Walls, spans, gable_spans, storeys) -> None:
    house = walls.house
    wall = ((walls.x, walls.z), (walls.end_x, walls.end_z))
    if not house.lit or canvas.full:
        return
    canvas.begin(BUILDING, walls.z, owner=house, wall=wall, emits=0.9)
    for index, (start, end) in enumerate(spans + gable_spans):
        at = walls.front if index < len(spans) else walls.gable
        for row, (low, high) in enumerate(storeys):
            if house.lit >> (index + row) & 1:
                canvas.area([at(start, low), at(end, low), at(end, high), at(start, high)], WARM)
