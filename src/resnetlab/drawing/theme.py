"""Colours: light, dark and print. Hues are Okabe and Ito's, which colour-blind readers tell apart.

Source: Okabe and Ito, 2008, "Color Universal Design". Every text keeps a contrast of 4.5:1 (WCAG 2.2,
1.4.3) against what it stands on. In print the stages are greys that differ by lightness.
"""

from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["light", "dark", "print"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageColors:
    """The colours of a stage: its panel, its convolutions, its outlines."""

    panel: str
    fill: str
    stroke: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """All colours of a picture, as #rrggbb.

    `ink` and `faint` are for text on the background, on `paper` and in panels and fills of any stage;
    `accent` is for what must be seen first, such as a stride; `paper` fills boxes without weights.
    """

    name: ThemeName
    background: str
    paper: str
    ink: str
    faint: str
    accent: str
    line: str
    shortcut: str
    neutral: StageColors
    stages: tuple[StageColors, ...]

    def stage(self, index: int) -> StageColors:
        """Return the colours of the stage with that index, counted from 0; they come round again."""
        return self.stages[index % len(self.stages)]


def _stages(*rows: str) -> tuple[StageColors, ...]:
    """Read "panel fill stroke" rows."""
    return tuple(
        StageColors(panel=panel, fill=fill, stroke=stroke) for panel, fill, stroke in map(str.split, rows)
    )


_LIGHT = Theme(
    name="light",
    background="#ffffff",
    paper="#ffffff",
    ink="#1c2430",
    faint="#4a5563",
    accent="#8a2c00",
    line="#5b6673",
    shortcut="#8a2c00",
    neutral=_stages("#f4f5f7 #e3e6ea #7b8591")[0],
    stages=_stages(
        "#eef6fb #cfe5f3 #0072b2",
        "#fdf5e6 #fae3b4 #b87700",
        "#ebf7f3 #c3e8db #007d5c",
        "#faf0f6 #f1d3e4 #a8527f",
        "#fdf0ea #f8d2bd #c04d00",
        "#f7f6e0 #ebe6a0 #8a8100",
    ),
)
_DARK = Theme(
    name="dark",
    background="#12161c",
    paper="#1a2029",
    ink="#eef1f5",
    faint="#c0c8d2",
    accent="#ffc08a",
    line="#8d98a6",
    shortcut="#ffa260",
    neutral=_stages("#1b2028 #303844 #76818f")[0],
    stages=_stages(
        "#14222e #17405c #56b4e9",
        "#29210f #54400d #e69f00",
        "#11261f #0f4a39 #2bc194",
        "#2a1a24 #57304a #e08fc0",
        "#2d1a11 #5c2f17 #f08a4b",
        "#262510 #4a460f #d6cb3a",
    ),
)
_PRINT = Theme(
    name="print",
    background="#ffffff",
    paper="#ffffff",
    ink="#000000",
    faint="#333333",
    accent="#000000",
    line="#333333",
    shortcut="#000000",
    neutral=_stages("#ffffff #ececec #777777")[0],
    stages=_stages(
        "#ffffff #dddddd #444444",
        "#ffffff #cccccc #444444",
        "#ffffff #bbbbbb #444444",
        "#ffffff #aaaaaa #444444",
        "#ffffff #d5d5d5 #444444",
        "#ffffff #c4c4c4 #444444",
    ),
)

THEMES: dict[ThemeName, Theme] = {"light": _LIGHT, "dark": _DARK, "print": _PRINT}
