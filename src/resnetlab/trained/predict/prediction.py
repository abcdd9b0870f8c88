"""What a network answers to one picture, and whether that is right where its folder tells."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnetlab.base.lettering import in_a_line
from resnetlab.base.pages import cell
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.images.thumbnail import thumbnail
from resnetlab.weights.facts.imagenet_classes import in_words

_SIDE = 128  # pixels of a picture in a cell
_MOST_NAMED = 2  # answers in a line


@dataclass(frozen=True)
class Answer:
    """A class and how probable the network holds it."""

    class_name: str
    probability: float
    index: int
    """Of the logit."""

    @property
    def words(self) -> str:
        """The class for people: "tench (n01440764)" where it is named by WordNet's number."""
        return in_words(self.class_name)


@dataclass(frozen=True, repr=False)
class Prediction:
    """The most probable classes of one picture, the first the most probable. A notebook shows both."""

    place: str
    """Which picture."""

    answers: tuple[Answer, ...]

    pixels: Pixels | None = field(default=None, compare=False)
    """What the network saw, uint8 (H, W, C), where it was kept: of a few pictures."""

    truth: str = ""
    """Its class, where that is known."""

    @property
    def class_name(self) -> str:
        """The most probable class."""
        return self.answers[0].class_name

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.answers[0].probability

    @property
    def is_right(self) -> bool | None:
        """Whether the most probable class is the truth; None where that is not known."""
        return self.class_name == self.truth if self.truth and self.answers else None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, with the truth where that is known."""
        return {
            "image": self.place,
            "answers": [{"class": each.class_name, "probability": each.probability} for each in self.answers],
            **({"truth": self.truth, "correct": self.is_right} if self.truth else {}),
        }

    def __str__(self) -> str:
        texts = (f"{100 * each.probability:5.1f} %  {each.words}" for each in self.answers)
        return "\n".join([self.place, *(f"  {text}" for text in texts)])

    def __repr__(self) -> str:
        told = (f"{in_a_line(a.words)} {100 * a.probability:.1f} %" for a in self.answers[:_MOST_NAMED])
        return f"<{in_a_line(self.place)}: {', '.join(told)}>"

    def _repr_html_(self) -> str:
        rows = [
            (cell.text(a.words), cell.bar(a.probability), f"{100 * a.probability:.1f} %")
            for a in self.answers
        ]
        parts = [cell.table((), rows)]
        if self.pixels is not None:
            shown, is_small = thumbnail(self.pixels, _SIDE)
            parts.insert(0, cell.picture(shown, self.place, width=_SIDE, is_pixelated=is_small))
        title = f"{self.answers[0].words}: {100 * self.probability:.1f} %"
        return cell.cell(title, cell.beside(parts), about=self.place)


def truth_of(path: str, class_names: Collection[str]) -> str:
    """Return the class of an image by the folder that it lies in; empty if no class is named like that."""
    name = Path(path).absolute().parent.name
    return name if name in class_names else ""


def told_right(predictions: Sequence[Prediction]) -> str:
    """Return how many answers are right of those whose truth is known, in words; empty if that is none."""
    known = [each.is_right for each in predictions if each.is_right is not None]
    if not known:
        return ""
    others = len(predictions) - len(known)
    rest = f"; of {others:,} more the folder does not tell the class" if others else ""
    return f"{sum(known):,} of {len(known):,} right ({100 * sum(known) / len(known):.2f} %){rest}"
