"""What tests say of differences between networks, on the page: in words, as intervals, on the same images."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnetlab.reporting.page.parts import code, fold, items, paragraph, section, table, text

_SHOWN = 6


def comparisons_section(pairs: Sequence[Mapping[str, Any]], not_compared: str) -> str:
    """Return every pair: its words, its interval, and what it shows on the same images."""
    if not pairs:
        return section("comparisons", _TITLE, paragraph(not_compared, "faint"))
    parts = [_pair(each) for each in pairs]
    rest = "".join(parts[_SHOWN:])
    more = fold(f"{len(parts) - _SHOWN} more pairs", rest) if rest else ""
    commands = [*dict.fromkeys(command for each in pairs for command in each["commands"])]
    how = (
        fold("To compare them on the same images", code("\n".join(commands), "Commands")) if commands else ""
    )
    return section("comparisons", _TITLE, *_differences(pairs), *parts[:_SHOWN], more, how)


_TITLE = "Is the difference more than chance?"


def _pair(each: Mapping[str, Any]) -> str:
    names = " – ".join(f"{each[side]['letter']}, {each[side]['name']}" for side in ("first", "second"))
    words = "".join(paragraph(words) for words in each["words"])
    warnings = "".join(paragraph(words, "bad") for words in each["warnings"])
    rows = [
        [
            f"{image['seeds'][0]} – {image['seeds'][1]}", f"{image['both']:,}", f"{image['only_first']:,}",
            f"{image['only_second']:,}", f"{image['neither']:,}", _p(image["p"]), _p(image["p_corrected"]),
        ]
        for image in each["images"]
    ]  # fmt: skip
    header = ("seeds", "both right", "only the first", "only the second", "neither", "p", "p, corrected")
    images = table("On the same test images (McNemar's exact test)", header, rows) if rows else ""
    return f'<div class="pair"><h3>{text(names)}</h3>{words}{warnings}{images}{_flips(each)}</div>'


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "&lt; .001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def _flips(each: Mapping[str, Any]) -> str:
    """Return the images that one of the two alone got right."""
    parts = []
    for side in ("first", "second"):
        rows = [
            f"{text(flip['place'] or 'image ' + str(flip['sample']))}: <b>{text(flip['truth'])}</b>"
            f' <span class="faint">answered</span> {text(" and ".join(map(str, flip["answers"])))}'
            for flip in each["flips"][side]
        ]
        if rows:
            parts.append(paragraph(f"Only {each[side]['name']} is right:") + items(rows, "plain faint"))
    return fold("Images that flip", "".join(parts)) if parts else ""


def _differences(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the differences over seeds with their intervals on one scale."""
    those = [each for each in pairs if each["interval"]]
    if not those:
        return []
    reach = max(1e-9, *(abs(end) for each in those for end in each["interval"])) * 1.05
    rows = [
        [
            text(f"{each['first']['name']} – {each['second']['name']}"), _interval(each, reach),
            f"{each['difference']:+.2f}", f"{each['interval'][0]:+.2f} to {each['interval'][1]:+.2f}",
            _p(each["p"]), "yes" if each["is_more_than_chance"] else "no",
        ]
        for each in those
    ]  # fmt: skip
    header = (
        "first – second",
        "better ← → worse",
        "points of error",
        "95 % interval",
        "p",
        "more than chance",
    )
    return [
        table(
            "Differences of the mean test errors (Welch)", header, rows, texts=(0, 1, 5), kind="differences"
        )
    ]


def _interval(each: Mapping[str, Any], reach: float) -> str:
    def x(value: float) -> str:
        return f"{50 + 50 * value / reach:.2f}%"

    low, high = each["interval"]
    kind = "interval sure" if each["is_more_than_chance"] else "interval"
    return (
        f'<svg class="{kind}" aria-hidden="true"><line class="zero" x1="50%" x2="50%" y1="0" y2="16"/>'
        f'<line class="range" x1="{x(low)}" x2="{x(high)}" y1="8" y2="8"/>'
        f'<circle cx="{x(each["difference"])}" cy="8" r="5"/></svg>'
    )
