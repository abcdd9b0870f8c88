"""What a network answers to one picture."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A class and how probable the network holds it."""

    class_name: str
    probability: float
    index: int
    """Of the logit."""


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, the first the most probable."""

    place: str
    """Which picture."""

    answers: tuple[Answer, ...]

    @property
    def class_name(self) -> str:
        """The most probable class."""
        return self.answers[0].class_name

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.answers[0].probability

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "image": self.place,
            "answers": [{"class": each.class_name, "probability": each.probability} for each in self.answers],
        }

    def __str__(self) -> str:
        texts = (f"{100 * each.probability:5.1f} %  {each.class_name}" for each in self.answers)
        return "\n".join([self.place, *(f"  {text}" for text in texts)])
