"""The road: lanes, edges and the curve it follows."""

from dataclasses import dataclass, field

import numpy as np

BEHIND_M = 60.0  # the curve is known from this far behind station 0


@dataclass(frozen=True)
class Ego:
    """Where the camera car is: station along the road and offset from its centre line in metres,
    yaw against the road in radians, time in seconds.
    """

    station: float = 0.0
    offset: float = 0.0
    yaw: float = 0.0
    time: float = 0.0


@dataclass(frozen=True)
class Road:
    """A road in its own coordinates: station along it, offset to the right of the centre line.

    curvature: one value in 1/m for each metre, from station -BEHIND_M on.
    """

    curvature: np.ndarray
    lane_width: float
    lanes_left: int  # towards the camera
    lanes_right: int  # away from the camera
    edge_left: float
    edge_right: float
    parking: float
    sidewalk: float
    centre_line: str  # "dashed", "double" or "none"
    edge_lines: bool
    lane_lines: bool
    yellow: bool
    dash_period: float
    dash_length: float
    wear: float
    crossings: tuple[float, ...] = ()
    patches: tuple[tuple[float, float, float, float], ...] = ()  # station, offset, length, width
    _heading: np.ndarray = field(init=False, repr=False)
    _lateral: np.ndarray = field(init=False, repr=False)
    _stations: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        # heading = integral of the curvature, lateral = integral of the heading (small angles)
        heading = np.cumsum(self.curvature)
        object.__setattr__(self, "_heading", heading)
        object.__setattr__(self, "_lateral", np.cumsum(heading) - heading / 2)
        stations = np.arange(len(heading), dtype=np.float64) - BEHIND_M
        object.__setattr__(self, "_stations", stations)

    def centre(self, z, ego: Ego):
        """Metres to the right of the camera at which the centre line lies, z metres ahead."""
        here = np.interp(ego.station, self._stations, self._lateral)
        heading = np.interp(ego.station, self._stations, self._heading)
        there = np.interp(np.asarray(z) + ego.station, self._stations, self._lateral)
        return there - here - (heading + ego.yaw) * z - ego.offset

    def slope(self, z, ego: Ego):
        """Sideways metres of the road for each metre ahead, seen from the camera."""
        heading = np.interp(ego.station, self._stations, self._heading)
        there = np.interp(np.asarray(z) + ego.station, self._stations, self._heading)
        return there - heading - ego.yaw

    def heading(self, station: float) -> float:
        """Direction of the road at a station, in radians."""
        return float(np.interp(station, self._stations, self._heading))

    def lane_centre(self, lane: int) -> float:
        """Offset of the middle of a lane. Lane 0 is right of the centre line, lane -1 left."""
        return (lane + 0.5) * self.lane_width
