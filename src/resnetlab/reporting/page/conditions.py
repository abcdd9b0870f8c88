"""How a result came about, on the page: recipe, data, machine, history; and how the weights are used."""

import datetime
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from resnetlab.base.lettering import shorter
from resnetlab.reporting.page.parts import (
    code,
    facts,
    fold,
    format_bytes,
    format_seconds,
    is_picture,
    items,
    paragraph,
    percent,
    section,
    table,
    text,
)

_OPEN_NAMES = 30
_FEW_PIXELS = 40


def usage_section(detail: Mapping[str, Any]) -> str:
    """Return the commands and the lines of Python that use the weights."""
    usage = detail["usage"]
    if not usage["commands"]:
        return ""
    width = max(len(command) for command, _ in usage["commands"])
    lines = "\n".join(f"{command:<{width}}  # {what}" for command, what in usage["commands"])
    python = code("\n".join(usage["python"]), "Python") if usage["python"] else ""
    return section("use", "Use the weights", code(lines, "Commands"), python)


def recipe_section(detail: Mapping[str, Any]) -> str:
    """Return the recipe: what differs from the named one, then every value with its origin."""
    recipe = detail["recipe"]
    told = (
        f"Recipe {recipe['name']}, as it is named."
        if not recipe["deviations"]
        else f"Recipe {recipe['name']}, but for what follows (in brackets what the recipe of that name says)."
    )
    changed = items(f"<code>{text(each)}</code>" for each in recipe["deviations"])
    tables = []
    for group, values in groupby(recipe["values"], key=lambda value: value["group"]):
        rows = [
            [
                f"<code>{text(v['name'])}</code>",
                f"<code>{text(shorter(v['value'] or '–', 48))}</code>",
                text(v["origin"]),
                f'<span class="faint">{text(v["help"])}</span>',
            ]
            for v in values
        ]
        tables.append(table(group, ("value", "is", "from", "meaning"), rows, texts=range(4), kind="values"))
    return section(
        "recipe",
        "Recipe",
        paragraph(told),
        changed,
        fold("Where the recipe comes from", f'<p class="doc">{text(recipe["source"])}</p>')
        if recipe["source"]
        else "",
        fold(f"Every value, {len(recipe['values'])}, and where it comes from", "".join(tables)),
    )


def data_section(detail: Mapping[str, Any]) -> str:
    """Return what was trained and tested on, and what was left out."""
    data = detail["data"]
    height, width, channels = data["image_shape"]
    counts = [
        f"{data[part]:,} {word}"
        for part, word in (("train", "for training"), ("val", "for validation"), ("test", "for the test"))
        if data[part]
    ]
    names = ", ".join(data["classes"]) + (", …" if data["num_classes"] > len(data["classes"]) else "")
    is_long = data["num_classes"] > _OPEN_NAMES
    pairs = [
        ("Data", text(data["name"])),
        ("Where", f"<code>{text(data['source'])}</code>" if data["source"] != data["name"] else ""),
        ("Images", text(", ".join(counts))),
        ("As the network sees them", f"{height} × {width}, {channels} channels"),
        ("Classes", f"{data['num_classes']:,}" if is_long else f"{data['num_classes']:,}: {text(names)}"),
        ("Fingerprint", f"<code>{text(data['fingerprint'][:16])}</code>"),
    ]
    broken = ""
    if data["num_broken"]:
        items = "".join(f"<li>{text(each)}</li>" for each in data["broken"])
        more = data["num_broken"] - len(data["broken"])
        rest = f"<li>and {more:,} more</li>" if more else ""
        broken = fold(
            f"Left out: {data['num_broken']:,} broken images",
            f'<ul class="plain">{items}{rest}</ul>',
            is_open=True,
        )
    notes = "".join(paragraph(note, "faint") for note in data["notes"])
    listed = fold(f"The {data['num_classes']:,} classes", paragraph(names)) if is_long else ""
    return section("data", "Data", facts(pairs), _samples(detail.get("samples")), notes, broken, listed)


def _samples(samples: Mapping[str, Any] | None) -> str:
    """Return the images with the names of their classes, nothing if there are none."""
    if not samples or not is_picture(samples["picture"]):
        return ""
    side, columns = samples["side"], samples["columns"]
    numbered = [*enumerate(samples["samples"])]
    width, height = columns * side, -(-len(numbered) // columns) * side
    whole = (
        f'<svg class="whole" width="0" height="0" aria-hidden="true"><defs><image id="samples-picture"'
        f' href="{samples["picture"]}" width="{width}" height="{height}"/></defs></svg>'
    )
    items = []
    for name, those in groupby(numbered, key=lambda each: str(each[1]["class"])):
        pictures = "".join(_part(number, each, side, columns) for number, each in those)
        items.append(
            f'<li><span class="pictures">{pictures}</span><span class="name">{text(name)}</span></li>'
        )
    few = " pixels" if side <= _FEW_PIXELS else ""
    words = paragraph("Training images before any augmentation.", "faint note")
    return f'<figure class="samples{few}">{whole}<ul class="plain">{"".join(items)}</ul>{words}</figure>'


def _part(number: int, sample: Mapping[str, Any], side: int, columns: int) -> str:
    x, y = number % columns * side, number // columns * side
    place = f": {sample['place']}" if sample["place"] else ""
    label = text(f"{sample['class']}{place}")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {side} {side}"><title>{label}</title>'
        f'<use href="#samples-picture" x="{-x}" y="{-y}"/></svg>'
    )


def machine_section(detail: Mapping[str, Any]) -> str:
    """Return how fast it was, and on what machine and with what versions."""
    speed, where = detail["speed"], detail["environment"]
    rate, wait, memory = speed["images_per_second"], speed["wait_share"], speed["peak_memory"]
    pairs = [
        ("Time of updates", format_seconds(speed["seconds"]) if speed["seconds"] is not None else ""),
        ("Throughput", f"{rate:,.0f} images/s in training" if rate else _typical(speed["between_saves"])),
        ("Waiting for data", f"{percent(wait, 1)} of the training time" if wait is not None else ""),
        ("Memory", f"{format_bytes(memory)} at its peak" if memory else ""),
        ("Machine", text(", ".join(where["machines"]))),
        (
            "Threads",
            text(f"{where['threads']} on {where.get('cores', '?')} cores") if "threads" in where else "",
        ),
        ("System", text(where.get("platform", ""))),
        ("Python", text(where.get("python", ""))),
        (
            "Packages",
            text(", ".join(f"{name} {version}" for name, version in where["packages"].items() if version)),
        ),
        ("Revision", f"<code>{text(where['revision'])}</code>" if "revision" in where else ""),
    ]
    command = code(where["command"], "The command of the run") if where["command"] else ""
    return section("machine", "Speed and machine", facts(pairs), command, _history(detail))


def _typical(points: list[list[float]]) -> str:
    if not points:
        return ""
    rates = sorted(rate for _, rate in points)
    return f"{rates[len(rates) // 2]:,.0f} images/s between checkpoints, evaluations included"


def _history(detail: Mapping[str, Any]) -> str:
    rows = [
        [
            _time(row["time"]),
            text(row["event"]),
            f"{row['step']:,}" if row["step"] is not None else "",
            text(shorter(row["text"], 200)),
        ]
        for row in detail["history"]
    ]
    if len(rows) < 2:
        return ""
    return fold(
        "What happened when", table("Events", ("time", "event", "after step", ""), rows, texts=(0, 1, 3))
    )


def _time(seconds: float | None) -> str:
    if seconds is None or not 0 < seconds < 1e11:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def missing_section(detail: Mapping[str, Any]) -> str:
    """Return what is not on the page, and by which command it comes."""
    items = "".join(
        f"<li>{text(each['what'])}"
        + (f" It comes by <code>{text(each['command'])}</code>" if each.get("command") else "")
        + "</li>"
        for each in detail["missing"]
    )
    insights = detail["insights"]
    left = "".join(f"<li>{text(why)}</li>" for why in insights["left_out"]) if insights else ""
    return section(
        "missing", "What is not here", f'<ul class="plain">{items}{left}</ul>' if items or left else ""
    )
