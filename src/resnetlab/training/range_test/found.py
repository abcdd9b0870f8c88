"""What a range test came to: rates and losses, the rate that it suggests, in words and as a picture."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from resnetlab.base.lettering import Letters, in_a_line, without_font
from resnetlab.base.pages import cell
from resnetlab.base.paths import user_path
from resnetlab.errors import UsageError
from resnetlab.parallel.world import ALONE, World
from resnetlab.reporting.curves import RateCurve
from resnetlab.reporting.text_chart import TextChart, rate_text
from resnetlab.show.drawing.saving import check_target, write_picture
from resnetlab.show.drawing.theme import ThemeName
from resnetlab.show.tables.align import titled
from resnetlab.training.observer import Observer
from resnetlab.training.planning import RunPlan
from resnetlab.training.range_test.judging import Judgement, judge
from resnetlab.training.range_test.rise import Rise
from resnetlab.training.range_test.sweeping import Swept, sweep
from resnetlab.training.range_test.words import sentences_of

_WIDTH = 80
_PICTURE = 540
"""Pixels of a page that a picture is wide: four thirds of its points."""


@dataclass(frozen=True, kw_only=True, repr=False)
class RangeTest:
    """A learning-rate range test (Smith, 2015, arXiv:1506.01186). Printed, it is its curve and its words."""

    about: str
    """Network, data, recipe and batch."""
    rise: Rise
    """The rates that were to be tried."""
    rates: tuple[float, ...]
    """Of each step, for the whole batch."""
    losses: tuple[float, ...]
    """Mean loss of the step's batch, before its update, in nats."""
    not_finite_at: float | None
    """The rate at which a loss or a gradient was not finite, which ended the test."""
    judgement: Judgement
    """The losses smoothed, and the rates that the suggestion stands on."""
    lr_per_rate: float
    """What a rate for the whole batch is times this is the recipe's `lr`, which may be of another batch."""

    @property
    def suggested(self) -> float | None:
        """The rate to train with, for the whole batch; None where none can be suggested."""
        return self.judgement.suggested

    @property
    def lr(self) -> float | None:
        """The same as the recipe's value `lr`: `train(..., lr=found.lr)`."""
        rate = self.judgement.suggested
        return None if rate is None else float(f"{rate * self.lr_per_rate:.2g}")

    @property
    def sentences(self) -> list[str]:
        """What was seen, and what is suggested by which rule."""
        return sentences_of(self.judgement, self.rise, self.not_finite_at, self.lr)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        told = f"lr={self.lr:g}" if self.lr else "no rate to suggest"
        return f"<range test of {in_a_line(self.about)}, {len(self.rates)} steps: {told}>"

    def text(self, columns: int | None = None, letters: Letters = "braille") -> str:
        """Return curve and sentences in so many columns, 80 if it is not known how many."""
        width = (columns or _WIDTH) - 1
        parts = [titled("", in_a_line(self.about), width=width)]
        if chart := self.chart(width, letters):
            parts.append(str(chart))
        return "\n\n".join([*parts, "\n".join(titled("", each, width=width) for each in self.sentences)])

    def chart(self, width: int, letters: Letters = "braille") -> TextChart | None:
        """Return the curve for a terminal; None where no loss was finite."""
        return rate_text(self.curve, width=width, letters=letters) if self.rates else None

    @property
    def curve(self) -> RateCurve:
        """The curve as its pictures draw it."""
        return RateCurve(
            rates=self.rates,
            losses=self.losses,
            smoothed=self.judgement.smoothed,
            suggested=self.suggested,
            diverges=self.judgement.diverges,
            high=self.rise.high or self.rates[-1],
            is_log=self.rise.form == "exponential",
        )

    def draw(self, path: str | Path, *, theme: ThemeName = "light", title: str | None = None) -> str:
        """Draw the loss over the rate into an .svg, .pdf or .png.

        Args:
            path: The file; its suffix says the kind.
            theme: light, dark or print.
            title: A line above; None says network, data and recipe.

        Returns:
            A line on letters of the title that no font here has; empty if there are none.

        Raises:
            UsageError: If the suffix is another, or there is nothing to draw.
            WriteError: If the file could not be written.
        """
        target = user_path(path)
        check_target(target)
        if not self.rates:
            raise UsageError(
                "nothing to draw: no step had a finite loss", hint="Begin at a lower rate (low)."
            )
        text = self.about if title is None else title
        write_picture(target, self._drawn(target.suffix.lower()[1:], theme, text))
        return without_font([text], "they are drawn as their numbers")

    def _drawn(self, kind: str, theme: ThemeName, title: str) -> bytes:
        from resnetlab.reporting.pictures.rates import draw_rates  # matplotlib: half a second

        return draw_rates(self.curve, kind, theme=theme, title=title)

    def _repr_html_(self) -> str:
        picture = ""
        if self.rates:
            alt = f"training loss over the learning rate, {self.about}"
            picture = cell.picture(self._drawn("png", "light", ""), alt, width=_PICTURE)
        words = map(cell.paragraph, self.sentences)
        return cell.cell("Learning-rate range test", picture, *words, about=self.about)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            "about": self.about,
            "suggested": self.suggested,
            "lr": self.lr,
            "sentences": self.sentences,
            "rise": asdict(self.rise),
            "not_finite_at": self.not_finite_at,
            "rates": [*self.rates],
            "losses": [*self.losses],
            **self.judgement.to_json(),
        }


def find_rate(plan: RunPlan, rise: Rise, observer: Observer, world: World = ALONE) -> RangeTest:
    """Try rising rates on a planned run's first steps, and suggest one; see `sweep` for the arguments."""
    low, high = rise.between(plan)
    whole = replace(rise, low=low, high=high)
    swept: Swept = sweep(plan, whole, observer, world)
    run, schedule = plan.recipe.run, plan.recipe.schedule
    return RangeTest(
        about=f"{plan.spec.name} on {plan.source.name}, recipe {plan.recipe.name}, batch {run.batch}",
        rise=whole,
        rates=swept.rates,
        losses=swept.losses,
        not_finite_at=swept.not_finite_at,
        judgement=judge(swept.rates, swept.losses, points=rise.points, not_finite_at=swept.not_finite_at),
        lr_per_rate=schedule.lr_batch / run.batch if schedule.lr_batch else 1.0,
    )
