"""The calibrated pinhole camera. Taught in chapter 12.

Its focal length, height and horizon never change. With random ones neither depth nor steering
could be told from a single image.
"""

from dataclasses import dataclass

FOCAL = 0.9  # focal length in image widths: a field of view of 58 degrees
HEIGHT_M = 1.4  # above the road
HORIZON = 0.43  # row of the horizon, as a share of the image height
SUPERSAMPLING = 2  # things are painted at twice the size, then reduced
NEAREST = 0.4  # metres; points closer than this are moved here before projection


@dataclass(frozen=True)
class Camera:
    """Projects points in metres (x right, y up from the road, z ahead) to pixels."""

    height: int
    width: int

    @property
    def focal(self) -> float:
        return FOCAL * self.width

    @property
    def centre(self) -> float:
        return self.width / 2

    @property
    def horizon(self) -> float:
        return HORIZON * self.height

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row, in pixels of the final image.

        column = centre + focal * x / z,  row = horizon + focal * (camera height - y) / z
        """
        scale = self.focal / max(z, NEAREST)
        return self.centre + x * scale, self.horizon + (HEIGHT_M - y) * scale
