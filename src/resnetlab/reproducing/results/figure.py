"""The figure of a reproduction, drawn like the published one: error over steps, training dashed.

Plain networks stand left, residual ones right, on the same axis (He et al., 2015, Fig. 6).
"""

from collections.abc import Sequence

from resnetlab.reporting.curves import Curve, colors_of, line_of
from resnetlab.reproducing.results.outcomes import Outcome
from resnetlab.reproducing.results.tables import ResultTable
from resnetlab.show.drawing.theme import ThemeName


def curves_of_outcomes(outcomes: Sequence[Outcome]) -> list[Curve]:
    """Return the curves of the rows that have records."""
    made = [outcome for outcome in outcomes if outcome.records]
    specs = [outcome.records[0].spec for outcome in made]
    colors = colors_of([(spec.shortcut == "none", spec.depth) for spec in specs])
    ways = [sum(other.row.name == outcome.row.name for other in made) for outcome in made]
    return [
        Curve(
            name=outcome.row.name if number == 1 else ", ".join((outcome.row.name, *outcome.deviations)),
            is_plain=spec.shortcut == "none",
            color=color,
            test=line_of([record.test_curve.points for record in outcome.records]),
            train=line_of([record.train_curve.points for record in outcome.records]),
            watched="test",
            open_ends=(),
        )
        for outcome, spec, color, number in zip(made, specs, colors, ways, strict=True)
    ]


def figure_title(table: ResultTable) -> str:
    """Return the line above the figure: what it is, its budget, and of how many runs."""
    seeds = sorted({outcome.n for outcome in table.outcomes if outcome.n})
    number = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    words = table.budget.words.partition(":")[0]
    return f"{table.reproduction.name}, {table.budget.name}: {words}; n = {number}"


def draw_figure(table: ResultTable, kind: str, *, theme: ThemeName = "light") -> bytes:
    """Return the figure as svg, pdf or png.

    Args:
        table: With at least one finished run.
        kind: svg, pdf or png.
        theme: light, dark or print.
    """
    from resnetlab.reporting.pictures.curves import draw_curves  # matplotlib: half a second

    return draw_curves(curves_of_outcomes(table.outcomes), kind, theme=theme, title=figure_title(table))
