"""Colours: light, dark and print. Hues are Okabe and Ito's, and the stages' fills differ in lightness too.

As pale as fills must be under text, hues alone do not keep stages apart for colour-blind readers: a
test simulates what they see.

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
        "#eef6fb #daf0fd #0072b2",
        "#fdf5e6 #fae3b3 #b87700",
        "#ebf7f3 #bcf1df #007d5c",
        "#faf0f6 #f1bada #a8527f",
        "#fdf0ea #f7d8c7 #c04d00",
        "#f7f6e0 #f7f2aa #8a8100",
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
        "#14222e #1b4e70 #56b4e9",
        "#29210f #574414 #e69f00",
        "#11261f #074030 #2bc194",
        "#2a1a24 #592d4b #e08fc0",
        "#2d1a11 #542811 #f08a4b",
        "#262510 #4d490b #d6cb3a",
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
        "#ffffff #f6f6f6 #444444",
        "#ffffff #d8d8d8 #444444",
        "#ffffff #bbbbbb #444444",
        "#ffffff #9f9f9f #444444",
        "#ffffff #c9c9c9 #444444",
        "#ffffff #adadad #444444",
    ),
)

THEMES: dict[ThemeName, Theme] = {"light": _LIGHT, "dark": _DARK, "print": _PRINT}
