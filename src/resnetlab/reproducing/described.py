"""What a reproduction consists of, before anything is made: rows, published numbers, lengths. No torch."""

from collections.abc import Iterable
from typing import Any

from resnetlab.base.units import format_count
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline
from resnetlab.reproducing.budgets import BUDGETS
from resnetlab.reproducing.datasets import DATASETS
from resnetlab.reproducing.reproduction import Reproduction, Row
from resnetlab.show.tables.align import fitting_table, text_width, titled


def recipe_of(row: Row) -> Recipe:
    """Return a row's recipe at its own length."""
    return override(named_recipe(row.recipe, row.spec().depth), row.values)


def length_of(row: Row) -> Timeline:
    """Return a row's steps at its own length."""
    run = recipe_of(row).run
    return Timeline(
        num_samples=DATASETS[row.data].train,
        batch=run.batch,
        length=run.length,
        cycle_epochs=run.cycle_epochs,
    )


def operations_of(row: Row) -> float:
    """Return the floating-point operations of a row's training at its own length: six a multiply-add."""
    timeline = length_of(row)
    return 6.0 * row.spec().num_multiply_adds() * timeline.samples_seen(timeline.num_steps)


def published_texts(rows: Iterable[Row]) -> list[str]:
    """Return a line for each source: its numbers, and what they are."""
    by_source: dict[str, list[str]] = {}
    for row in rows:
        if row.published:
            by_source.setdefault(row.published.source, []).append(f"{row.name} {row.published.text}")
    return [f"{source}: {'; '.join(numbers)}" for source, numbers in by_source.items()]


def reproduction_text(found: Reproduction, columns: int | None = None) -> str:
    """Return it as lines for people who have so many columns."""
    header = [
        "row",
        "network",
        "data",
        "recipe",
        "parameters",
        "steps",
        "epochs",
        "operations",
        "published, %",
    ]
    rows = []
    for row in found.rows:
        timeline = length_of(row)
        images = timeline.samples_seen(timeline.num_steps)
        values = "".join(f", {name}={value}" for name, value in row.values.items())
        rows.append(
            [
                row.name, row.network, row.data, row.recipe + values, f"{row.spec().num_parameters:,}",
                f"{timeline.num_steps:,}", f"{images / timeline.num_samples:.2f}",
                format_count(operations_of(row)), row.published.cell if row.published else "-",
            ]
        )  # fmt: skip
    budgets = "; ".join(f"{each.name}: {each.words}" for each in BUDGETS.values())
    total = format_count(sum(map(operations_of, found.rows)))
    lines = {
        "source": found.source,
        "whole": f"{total} floating-point operations at full length, one seed; how long that takes here:"
        f" resnetlab reproduce {found.name} --dry-run",
        "budgets": budgets,
    }
    notes = [("deviation", text) for text in found.deviations]
    notes += [("published", text) for text in published_texts(found.rows)]
    return "\n".join(
        [
            titled("", f"{found.name}: {found.title}", width=text_width(columns)),
            *(
                titled(f"{title:<11}", text, width=text_width(columns))
                for title, text in [*lines.items(), *notes]
            ),
            "",
            fitting_table(header, rows, 4, columns, ("operations", "epochs", "network", "parameters"))[0],
        ]
    )


def reproduction_json(found: Reproduction) -> dict[str, Any]:
    """Return it as plain data."""
    return {
        "name": found.name,
        "title": found.title,
        "source": found.source,
        "deviations": [*found.deviations],
        "budgets": {each.name: each.words for each in BUDGETS.values()},
        "rows": [
            {
                "name": row.name,
                "network": row.network,
                "data": row.data,
                "recipe": row.recipe,
                "knobs": dict(row.knobs),
                "values": dict(row.values),
                "parameters": row.spec().num_parameters,
                "steps": length_of(row).num_steps,
                "operations": operations_of(row),
                "published": row.published.text if row.published else None,
                "published_error": row.published.error if row.published else None,
                "published_mean": row.published.mean if row.published else None,
                "published_source": row.published.source if row.published else None,
                "rule": row.rule,
            }
            for row in found.rows
        ],
    }
