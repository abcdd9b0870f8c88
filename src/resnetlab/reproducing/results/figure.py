"""The figure of a reproduction, drawn like the published one.

That is error over steps, training dashed, plain networks left and residual ones right on the same axis (He et
al., 2015, Fig. 6); or layer responses, above layer by layer, below by their size (Fig. 7).
"""

from collections.abc import Sequence

from resnetlab.reporting.curves import Curve, ResponseCurve, colors_of, line_of
from resnetlab.reproducing.results.outcomes import Outcome
from resnetlab.reproducing.results.tables import ResultTable
from resnetlab.show.drawing.theme import ThemeName


def curves_of_outcomes(outcomes: Sequence[Outcome]) -> list[Curve]:
    """Return the curves of the rows that have records."""
    made = [outcome for outcome in outcomes if outcome.records]
    specs = [outcome.records[0].spec for outcome in made]
    colors = colors_of([(spec.shortcut == "none", spec.depth) for spec in specs])
    return [
        Curve(
            name=", ".join((outcome.name, *_apart(outcome, made))),
            is_plain=spec.shortcut == "none",
            color=color,
            test=line_of([record.test_curve.points for record in outcome.records]),
            train=line_of([record.train_curve.points for record in outcome.records]),
            watched="test",
            open_ends=(),
        )
        for outcome, spec, color in zip(made, specs, colors, strict=True)
    ]


def _apart(outcome: Outcome, made: Sequence[Outcome]) -> tuple[str, ...]:
    """Return what tells a row from those of the same name that were made otherwise."""
    is_alone = sum(other.name == outcome.name for other in made) == 1
    return () if is_alone else outcome.deviations


def profiles_of(table: ResultTable) -> list[ResponseCurve]:
    """Return the layer responses of the rows that have any."""
    made = [(outcome, found) for outcome in table.outcomes if (found := table.profile(outcome))]
    specs = [outcome.records[0].spec for outcome, _ in made]
    colors = colors_of([(spec.shortcut == "none", spec.depth) for spec in specs])
    return [
        ResponseCurve(
            name=", ".join((outcome.name, *_apart(outcome, [each for each, _ in made]))),
            is_plain=spec.shortcut == "none",
            color=color,
            layers=found.layers,
            ranked=found.ranked,
        )
        for (outcome, found), spec, color in zip(made, specs, colors, strict=True)
    ]


def figure_title(table: ResultTable) -> str:
    """Return the line above the figure: what it is, its budget, and of how many runs."""
    seeds = sorted({outcome.n for outcome in table.outcomes if outcome.n})
    number = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    words = table.budget.words.partition(":")[0]
    return f"{table.reproduction.name}, {table.budget.name}: {words}; n = {number}"


def has_figure(table: ResultTable) -> bool:
    """Return whether there is anything to draw."""
    return bool(table.responses if table.reproduction.figure == "responses" else table.records)


def draw_figure(table: ResultTable, kind: str, theme: ThemeName = "light") -> bytes:
    """Return the figure as svg, pdf or png.

    Args:
        table: Such that `has_figure`.
        kind: svg, pdf or png.
        theme: light, dark or print.
    """
    # matplotlib: half a second
    from resnetlab.reporting.pictures.curves import draw_curves
    from resnetlab.reporting.pictures.responses import draw_responses

    if table.reproduction.figure == "responses":
        return draw_responses(profiles_of(table), kind, theme=theme, title=figure_title(table))
    return draw_curves(curves_of_outcomes(table.outcomes), kind, theme=theme, title=figure_title(table))
