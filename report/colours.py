"""Grafana's colours in its dark theme, which it opens with: by name, and in the order that it gives them to series."""

from __future__ import annotations

from functools import cache

GROUND = "#181b1f"
"""What panels are drawn on."""

_SHADES = ("super-light-", "light-", "", "semi-dark-", "dark-")
_HUES = {
    "red": "#FFA6B0 #FF7383 #F2495C #E02F44 #C4162A",
    "orange": "#FFCB7D #FFB357 #FF9830 #FF780A #FA6400",
    "yellow": "#FFF899 #FFEE52 #FADE2A #F2CC0C #E0B400",
    "green": "#C8F2C2 #96D98D #73BF69 #56A64B #37872D",
    "blue": "#C0D8FF #8AB8FF #5794F2 #3274D9 #1F60C4",
    "purple": "#DEB6F2 #CA95E5 #B877D9 #A352CC #8F3BB8",
}
NAMED = {
    f"{shade}{hue}": colour.lower()
    for hue, colours in _HUES.items()
    for shade, colour in zip(_SHADES, colours.split(), strict=True)
} | {"text": "#ccccdc"}
"""Grafana's names, such as `red` and `semi-dark-red`."""

_ORDER = """
    green semi-dark-yellow blue orange red purple dark-green dark-yellow dark-blue dark-orange dark-red dark-purple
    super-light-green super-light-yellow super-light-blue super-light-orange super-light-red super-light-purple
    #447ebc #c15c17 #890f02 #0a437c #6d1f62 #584477 #b7dbab #f4d598 #70dbed #f9ba8f #f29191 #82b5d8
    #e5a8e2 #aea2e0 #629e51 #e5ac0e #64b0c8 #e0752d #bf1b00 #0a50a1 #962d82 #614d93 #9ac48a #f2c96d
    #65c5db #f9934e #ea6460 #5195ce #d683ce #806eb7 #3f6833 #967302 #2f575e #99440a #58140c #052b51
    #511749 #3f2b5b #e0f9d7 #fceaca #cffaff #f9e2d2 #fce2de #badff4 #f9d9f9 #dedaf7
"""
PALETTE = tuple(NAMED.get(name, name) for name in _ORDER.split())
"""`palette-classic`: the colours of a panel's first, second, … series."""

_READABLE = 3.0
"""The contrast to the ground below which `palette-classic-by-name` leaves a colour out."""
_BRIGHT = 180
"""The brightness, of 255, above which text on a colour is dark."""


def named(colour: str) -> str:
    """The value of one of Grafana's names; a colour that is none stays as it is."""
    return NAMED.get(colour, colour)


def by_name(series: str) -> str:
    """The colour that `palette-classic-by-name` gives a series in every panel."""
    readable = _readable()
    return readable[_digest(series) % len(readable)]


def ink(ground: str) -> str:
    """The colour of text on a ground."""
    red, green, blue = channels(ground)
    return "#202226" if (299 * red + 587 * green + 114 * blue) / 1000 > _BRIGHT else "#f7f8fa"


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, of 255 each."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue


@cache
def _readable() -> tuple[str, ...]:
    return tuple(colour for colour in PALETTE if _contrast(colour, GROUND) >= _READABLE)


def _contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [part / 255 for part in channels(colour)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _digest(text: str) -> int:
    """Bernstein's hash of a text's UTF-16 units, from the last to the first, in 32 bits."""
    units = text.encode("utf-16-le")
    value = 5381
    for place in range(len(units) - 2, -1, -2):
        value = (value * 33 ^ int.from_bytes(units[place : place + 2], "little")) & 0xFFFFFFFF
    return value
