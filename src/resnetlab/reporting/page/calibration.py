"""How far an answer's probability can be believed: the diagram of reliability."""

from collections.abc import Mapping
from typing import Any

from resnetlab.reporting.page.parts import fold, paragraph, percent, section, svg_text, table

_LEFT, _TOP, _SIDE, _FOOT = 44.0, 10.0, 280.0, 40.0


def calibration_section(evaluation: Mapping[str, Any]) -> str:
    """Return the diagram with the expected calibration error, and what temperature scaling gains."""
    found = evaluation["calibration"]
    if not found:
        return ""
    rows = [
        [
            f"{percent(i / len(found['bins']), 0)} to {percent((i + 1) / len(found['bins']), 0)}",
            f"{b['count']:,}",
            percent(b["confidence"], 1),
            percent(b["accuracy"], 1),
        ]
        for i, b in enumerate(found["bins"])
        if b["count"]
    ]
    header = ("probability of the answer", "images", "mean of it", "right")
    return section(
        "calibration",
        "Can the probabilities be believed?",
        _sentence(found),
        f'<figure class="reliability">{_diagram(found["bins"])}</figure>',
        fold("The numbers", table("Calibration by probability", header, rows)),
    )


def _sentence(found: Mapping[str, Any]) -> str:
    used = [each for each in found["bins"] if each["count"]]
    total = sum(each["count"] for each in used) or 1
    gap = sum(each["count"] * (each["confidence"] - each["accuracy"]) for each in used) / total
    way = "too sure of itself" if gap > 0 else "too cautious"
    words = [
        f"On average an answer's probability is {100 * found['ece']:.1f} points off (expected calibration"
        f" error, {len(found['bins'])} bins)" + (f"; the network is {way}." if abs(gap) > 0.01 else ".")
    ]
    if found["temperature"] is not None and found["ece_after"] is not None:
        words.append(
            f"With the logits divided by {found['temperature']:.2f} (temperature scaling) it would be"
            f" {100 * found['ece_after']:.1f}."
        )
    return paragraph(" ".join(words))


def _diagram(bins: list[Mapping[str, Any]]) -> str:
    """Return right answers over probability; a bar that ends at the diagonal is well calibrated."""
    width, parts = _SIDE / len(bins), []
    for index, each in enumerate(bins):
        if not each["count"]:
            continue
        x, high = _LEFT + index * width, _SIDE * each["accuracy"]
        parts.append(_rect("share", x, _TOP + _SIDE - high, width, high))
        wish = _SIDE * each["confidence"]
        low, top = min(high, wish), max(high, wish)
        kind = "over" if wish > high else "under"
        parts.append(_rect(f"gap {kind}", x, _TOP + _SIDE - top, width, top - low))
    foot, right = _TOP + _SIDE, _LEFT + _SIDE
    for share in (0, 0.5, 1):
        parts.append(svg_text(_LEFT - 7, foot - _SIDE * share + 4, f"{100 * share:g}", "end"))
        parts.append(svg_text(_LEFT + _SIDE * share, foot + 17, f"{100 * share:g}", "middle"))
    parts.append(svg_text(right, foot + _FOOT - 4, "probability of the answer, %", "end"))
    parts.append(svg_text(_LEFT + 6, _TOP + 16, "right, %"))
    label = "Share of right answers over the probability of the answer; the numbers are in the table below"
    frame = f'<rect class="frame" x="{_LEFT:g}" y="{_TOP:g}" width="{_SIDE:g}" height="{_SIDE:g}"/>'
    diagonal = f'<path class="diagonal" d="M{_LEFT:g},{foot:g}L{right:g},{_TOP:g}"/>'
    return (
        f'<svg viewBox="0 0 {right + 16:g} {foot + _FOOT:g}" role="img" aria-label="{label}">'
        f"{frame}{''.join(parts)}{diagonal}</svg>"
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    place = f'x="{x + 1:.1f}" y="{y:.1f}" width="{width - 2:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}/>'
