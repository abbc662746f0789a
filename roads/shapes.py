"""The shapes of vehicles: a profile along the length, with a width at each of its points."""

from dataclasses import dataclass

Row = tuple[float, float, float, str]


@dataclass(frozen=True)
class Shape:
    """Sizes in metres. profile: from the rear bumper over the roof to the front bumper, rows of
    (metres from the rear, height, share of the half width, material up to the next row).
    windows: side windows as (rear bottom, front bottom, front top, rear top) from the rear.
    """

    length: float
    width: float
    profile: tuple[Row, ...]
    windows: tuple[tuple[float, float, float, float], ...]
    window_heights: tuple[float, float]
    tail: tuple[float, float, float, float]  # bottom, top, inner and outer share
    head: tuple[float, float, float, float]
    wheels: tuple[float, float]
    radius: float = 0.32

    @property
    def height(self) -> float:
        return max(row[1] for row in self.profile)


_HATCHBACK = Shape(
    length=4.1,
    width=1.78,
    profile=(
        (0.14, 0.20, 0.84, "dark"),
        (0.03, 0.32, 0.95, "trim"),
        (0.00, 0.52, 0.99, "body"),
        (0.02, 0.76, 1.00, "body"),
        (0.10, 0.95, 0.95, "glass"),
        (0.46, 1.36, 0.75, "body"),
        (0.56, 1.44, 0.68, "roof"),
        (1.20, 1.49, 0.64, "roof"),
        (2.00, 1.46, 0.65, "body"),
        (2.14, 1.41, 0.70, "glass"),
        (2.98, 0.98, 0.90, "roof"),
        (3.72, 0.84, 0.93, "body"),
        (4.00, 0.70, 0.96, "body"),
        (4.10, 0.50, 0.96, "trim"),
        (4.06, 0.30, 0.93, "dark"),
        (3.96, 0.20, 0.84, "dark"),
    ),
    windows=((0.50, 1.52, 1.50, 0.74), (1.60, 2.78, 2.12, 1.58)),
    window_heights=(0.97, 1.37),
    tail=(0.66, 0.90, 0.66, 0.97),
    head=(0.58, 0.74, 0.58, 0.92),
    wheels=(0.72, 3.32),
)
_SEDAN = Shape(
    length=4.6,
    width=1.82,
    profile=(
        (0.14, 0.20, 0.84, "dark"),
        (0.03, 0.32, 0.95, "trim"),
        (0.00, 0.54, 0.98, "body"),
        (0.03, 0.80, 0.99, "body"),
        (0.10, 0.98, 0.93, "roof"),
        (0.66, 1.02, 0.90, "glass"),
        (1.28, 1.36, 0.72, "body"),
        (1.42, 1.41, 0.66, "roof"),
        (1.90, 1.44, 0.64, "roof"),
        (2.40, 1.42, 0.65, "body"),
        (2.56, 1.37, 0.70, "glass"),
        (3.36, 0.98, 0.90, "roof"),
        (4.20, 0.84, 0.93, "body"),
        (4.50, 0.70, 0.96, "body"),
        (4.60, 0.50, 0.96, "trim"),
        (4.56, 0.30, 0.93, "dark"),
        (4.46, 0.20, 0.84, "dark"),
    ),
    windows=((0.98, 1.94, 1.92, 1.40), (2.02, 3.16, 2.52, 2.00)),
    window_heights=(0.98, 1.34),
    tail=(0.66, 0.86, 0.60, 0.97),
    head=(0.58, 0.73, 0.56, 0.92),
    wheels=(0.84, 3.72),
)
_SUV = Shape(
    length=4.5,
    width=1.88,
    profile=(
        (0.12, 0.26, 0.86, "dark"),
        (0.03, 0.40, 0.95, "trim"),
        (0.00, 0.66, 0.99, "body"),
        (0.01, 0.94, 1.00, "body"),
        (0.05, 1.10, 0.96, "glass"),
        (0.34, 1.58, 0.80, "body"),
        (0.42, 1.66, 0.73, "roof"),
        (1.20, 1.71, 0.69, "roof"),
        (2.30, 1.68, 0.70, "body"),
        (2.46, 1.62, 0.75, "glass"),
        (3.20, 1.14, 0.92, "roof"),
        (4.10, 1.02, 0.94, "body"),
        (4.42, 0.86, 0.97, "body"),
        (4.50, 0.60, 0.97, "trim"),
        (4.46, 0.36, 0.94, "dark"),
        (4.36, 0.26, 0.86, "dark"),
    ),
    windows=((0.40, 1.62, 1.60, 0.56), (1.70, 3.02, 2.42, 1.68)),
    window_heights=(1.13, 1.56),
    tail=(0.76, 1.06, 0.72, 0.98),
    head=(0.72, 0.90, 0.58, 0.92),
    wheels=(0.80, 3.62),
    radius=0.36,
)
_VAN = Shape(
    length=5.2,
    width=1.98,
    profile=(
        (0.08, 0.28, 0.92, "dark"),
        (0.00, 0.42, 0.98, "trim"),
        (0.00, 0.62, 1.00, "body"),
        (0.02, 1.24, 1.00, "glass"),
        (0.10, 1.86, 0.93, "body"),
        (0.16, 2.10, 0.87, "roof"),
        (0.40, 2.20, 0.80, "roof"),
        (3.40, 2.18, 0.80, "body"),
        (3.62, 2.06, 0.85, "glass"),
        (4.50, 1.28, 0.94, "roof"),
        (5.02, 1.06, 0.95, "body"),
        (5.20, 0.66, 0.97, "trim"),
        (5.16, 0.40, 0.95, "dark"),
        (5.06, 0.28, 0.90, "dark"),
    ),
    windows=((3.00, 4.22, 3.62, 3.00),),
    window_heights=(1.30, 1.90),
    tail=(0.80, 1.20, 0.82, 0.99),
    head=(0.78, 1.00, 0.62, 0.93),
    wheels=(0.95, 4.20),
    radius=0.35,
)
_TRUCK = Shape(
    length=8.4,
    width=2.46,
    profile=(
        (0.10, 0.45, 0.94, "dark"),
        (0.00, 0.62, 0.98, "trim"),
        (0.00, 0.92, 1.00, "box"),
        (0.00, 3.26, 1.00, "box"),
        (6.30, 3.26, 1.00, "box"),
        (6.32, 2.75, 0.96, "roof"),
        (7.80, 2.70, 0.93, "body"),
        (8.05, 2.50, 0.95, "glass"),
        (8.34, 1.60, 0.97, "body"),
        (8.40, 0.70, 0.97, "trim"),
        (8.34, 0.40, 0.94, "dark"),
    ),
    windows=((6.95, 8.16, 7.98, 6.95),),
    window_heights=(1.62, 2.35),
    tail=(0.66, 0.84, 0.74, 0.95),
    head=(0.72, 0.92, 0.68, 0.92),
    wheels=(1.70, 7.30),
    radius=0.47,
)
_BUS = Shape(
    length=10.5,
    width=2.5,
    profile=(
        (0.10, 0.34, 0.93, "dark"),
        (0.02, 0.50, 0.98, "trim"),
        (0.00, 0.80, 1.00, "body"),
        (0.02, 1.70, 1.00, "glass"),
        (0.08, 2.60, 0.96, "body"),
        (0.20, 2.90, 0.92, "roof"),
        (0.50, 3.00, 0.86, "roof"),
        (10.20, 3.00, 0.86, "body"),
        (10.36, 2.60, 0.95, "glass"),
        (10.48, 1.20, 0.99, "body"),
        (10.50, 0.60, 0.98, "trim"),
        (10.44, 0.34, 0.93, "dark"),
    ),
    windows=tuple((k + 0.06, k + 1.42, k + 1.42, k + 0.06) for k in (0.5, 2.0, 3.5, 5.0, 6.5, 8.0)),
    window_heights=(1.35, 2.45),
    tail=(0.95, 1.30, 0.84, 0.98),
    head=(0.66, 0.86, 0.70, 0.94),
    wheels=(2.6, 7.9),
    radius=0.47,
)
SHAPES = {
    "hatchback": _HATCHBACK,
    "sedan": _SEDAN,
    "suv": _SUV,
    "van": _VAN,
    "truck": _TRUCK,
    "bus": _BUS,
}
