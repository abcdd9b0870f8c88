"""The card of a run, all of it."""

from collections.abc import Mapping
from typing import Any

from resnetlab.errors import UsageError
from resnetlab.reporting.cards.header import header
from resnetlab.reporting.cards.sections import facts_table, run_sections


def card_of(contents: Mapping[str, Any]) -> str:
    """Return the card of a report's one run.

    Args:
        contents: What `Report.contents` returns.

    Raises:
        UsageError: If it is of several runs, or of a record, which has not kept enough.
    """
    detail = contents["detail"]
    if detail is None:
        raise UsageError(
            f"a card is of one network, and these are {len(contents['runs']):,} runs",
            hint="Name one of them.",
        )
    (row,) = contents["runs"]
    network, data = detail["network"], detail["data"]
    height, width, channels = network["input"]
    facts = {
        "network": f"{network['name']} ({network['source']})",
        "size": f"{network['depth']} layers, {network['parameters']:,} parameters, "
        f"{network['multiply_adds'] / 1e6:,.1f} M multiply-adds per image",
        "input": f"{height}x{width} px, {'grey' if channels == 1 else 'RGB'}",
        "classes": f"{data['num_classes']:,}",
        "made by": contents["program"],
    }
    top = header(
        name=row["name"],
        library="resnetlab",
        tags=("pytorch", "resnetlab"),
        data=data["name"],
        first_weights=network["first_weights"],
        accuracy=_accuracy(row),
    )
    usage = "\n".join(("## How to load it", "", "```python", *detail["usage"]["python"], "```", ""))
    parts = [f"# {row['name']}\n", f"{facts_table(facts)}\n", *run_sections(row, detail)]
    return top + "\n" + "\n".join([*parts, *([usage] if detail["usage"]["python"] else [])])


def _accuracy(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return right and seen test images, if the run is at its end and was scored on them."""
    is_final = row["state"] == "finished" and row["split"] == "test" and row["seen"]
    return (row["correct"], row["seen"]) if is_final else None
