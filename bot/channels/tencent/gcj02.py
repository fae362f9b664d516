"""GCJ-02, the datum in which maps of mainland China must be drawn, and WeChat gives locations.

A place in it lies up to some hundred metres beside where it is in WGS-84, which satellites,
browsers and everybody else use. The datum is published by nobody in charge; its formula is, in
"Restrictions on geographic data in China" (Wikipedia) and by the project eviltransform, whose pairs
of places our tests take. No library that is looked after does it (docs/decisions/dependencies.md).
"""

from __future__ import annotations

from math import cos, hypot, pi, radians, sin, sqrt

Point = tuple[float, float]
"""Latitude and longitude, in degrees."""
Box = tuple[float, float, float, float]
"""North, west, south, east."""

AXIS = 6_378_245.0
ECCENTRICITY_SQUARED = 0.00669342162296594323
"""Of Krasovsky's ellipsoid of 1940; the axis in metres."""
_SHIFTED: tuple[Box, ...] = (
    (49.2204, 79.4462, 42.8899, 96.33),
    (54.1415, 109.6872, 39.3742, 135.0002),
    (42.8899, 73.1246, 29.5297, 124.143255),
    (29.5297, 82.9684, 26.7186, 97.0352),
    (29.5297, 97.0253, 20.414096, 124.367395),
    (20.414096, 107.975793, 17.871542, 111.744104),
)
_TRUE: tuple[Box, ...] = (
    (25.398623, 119.921265, 21.785006, 122.497559),  # Taiwan
    (22.439631, 113.837827, 22.152146, 113.943594),  # Hong Kong, by its border from west to east
    (22.502899, 113.943594, 22.152146, 114.071109),
    (22.531749, 114.071109, 22.152146, 114.138527),
    (22.544849, 114.138527, 22.152146, 114.447569),
    (22.213929, 113.529066, 22.106899, 113.607537),  # Macau
    (22.284, 101.8652, 20.0988, 106.665),
    (21.5422, 106.4525, 20.4878, 108.051),
    (55.8175, 109.0323, 50.3257, 119.127),
    (55.8175, 127.4568, 49.5574, 137.0227),
    (44.8922, 131.2662, 42.5692, 137.0227),
)
_CLOSE = 1e-7
"""Degrees: a centimetre."""
_ROUNDS = 10


def to_wgs84(shown: Point) -> Point:
    """Where a place of GCJ-02 is, to the centimetre. Outside mainland China nothing is shifted."""
    if not _in_mainland(shown):
        return shown
    found = shown
    for _ in range(_ROUNDS):
        north, east = from_wgs84(found)
        off = (north - shown[0], east - shown[1])
        found = (found[0] - off[0], found[1] - off[1])
        if hypot(*off) < _CLOSE:
            break
    return found


def from_wgs84(true: Point) -> Point:
    """Where a place of the mainland is shown."""
    latitude, longitude = true
    y, x = latitude - 35.0, longitude - 105.0
    wave = 20 * sin(6 * pi * x) + 20 * sin(2 * pi * x)
    north = (
        -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
        + 2 / 3 * (wave + 20 * sin(pi * y) + 40 * sin(pi / 3 * y))
        + 2 / 3 * (160 * sin(pi / 12 * y) + 320 * sin(pi / 30 * y))
    )  # fmt: skip
    east = (
        300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
        + 2 / 3 * (wave + 20 * sin(pi * x) + 40 * sin(pi / 3 * x))
        + 2 / 3 * (150 * sin(pi / 12 * x) + 300 * sin(pi / 30 * x))
    )  # fmt: skip
    bend = 1 - ECCENTRICITY_SQUARED * sin(radians(latitude)) ** 2
    metres_north = AXIS * (1 - ECCENTRICITY_SQUARED) / bend**1.5 * pi / 180
    metres_east = AXIS / sqrt(bend) * cos(radians(latitude)) * pi / 180
    return latitude + north / metres_north, longitude + east / metres_east


def _in_mainland(place: Point) -> bool:
    """By boxes that many programs use: right but for a few kilometres along the borders."""
    return _in_one(place, _SHIFTED) and not _in_one(place, _TRUE)


def _in_one(place: Point, boxes: tuple[Box, ...]) -> bool:
    latitude, longitude = place
    return any(
        south <= latitude <= north and west <= longitude <= east
        for north, west, south, east in boxes
    )
