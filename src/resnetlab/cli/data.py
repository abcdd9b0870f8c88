"""`resnetlab data`: fetch and describe datasets."""

import argparse
from typing import Any

from resnetlab.cli.text import block, print_json
from resnetlab.data.open import open_source
from resnetlab.tables.align import table


def data(options: argparse.Namespace) -> None:
    """Check and describe a dataset; `fetch` first downloads it if it is not in the cache."""
    facts = open_source(options.source, download=options.action == "fetch").describe()
    if options.json:
        print_json(facts)
    else:
        print(_text(facts))


def _text(facts: dict[str, Any]) -> str:
    samples = {part: f"{count:,} images" for part, count in facts["samples"].items()}
    lines = {
        "data": facts["name"],
        **samples,
        "images": f"{facts['height']}x{facts['width']}, {facts['channels']} channels",
        "fingerprint": facts["fingerprint"],
        **{f"note {number}": note for number, note in enumerate(facts["notes"], start=1)},
    }
    counts = facts["samples_per_class"]
    rows = [
        (name, *(f"{column[index]:,}" for column in counts.values()))
        for index, name in enumerate(facts["class_names"])
    ]
    return block(lines, indent="") + "\n\n" + table(("class", *counts), rows)
