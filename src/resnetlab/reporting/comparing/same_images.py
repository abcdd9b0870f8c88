"""Two networks on the same images: which each got right, McNemar's exact test, the images that flip."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.errors import DataError
from resnetlab.evaluation.answers import NAME, Answers, read_answers
from resnetlab.evaluation.significance import mcnemar_test
from resnetlab.reporting.comparing.sides import Member, Side

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Marks:
    """What of a network's answers a comparison needs; both have shape (N,)."""

    answer: Array
    """The number of the class."""
    correct: Array


class AnswerBook:
    """The answers of networks, each read once; the images and classes of the first stand for those of all."""

    def __init__(self) -> None:
        self._marks: dict[Path, Marks | None] = {}
        self._images: dict[tuple[object, ...], tuple[Path, Answers]] = {}
        self.problems: dict[Path, str] = {}
        """Of members, why their answers are of no use."""

    def marks(self, member: Member) -> Marks | None:
        """Return the member's answers; None if there are none, or `problems` says why they are of no use."""
        if member.path not in self._marks:
            try:
                self._marks[member.path] = self._read(member)
            except DataError as error:
                self._marks[member.path] = None
                self.problems[member.path] = str(error.args[0])
        return self._marks[member.path]

    def images(self, member: Member) -> Answers:
        """Return answers whose samples, places, truths and classes are those of the member's images."""
        return self._images[_key(member)][1]

    def _read(self, member: Member) -> Marks | None:
        path = member.answers / NAME
        if not path.exists():
            return None
        found = read_answers(path)
        if len(found) != member.seen:
            raise DataError(f"{path} has {len(found):,} answers, scored were {member.seen:,} images")
        if not member.is_of_a_run and (right := int(found.correct.sum())) != member.correct:
            raise DataError(f"{path} has {right:,} right answers, its scores.json {member.correct:,}")
        first_path, first = self._images.setdefault(_key(member), (path, found))
        if problem := _difference(first, found):
            raise DataError(f"{path} is of other images than {first_path}: {problem}")
        return Marks(found.answer, found.correct)


def _key(member: Member) -> tuple[object, ...]:
    return member.fingerprint, member.split, member.seen, member.held_out


def _difference(first: Answers, second: Answers) -> str:
    """Return how their images differ; empty if they do not."""
    if first is second:
        return ""
    if first.class_names != second.class_names:
        return "the classes are others"
    for name in ("sample", "truth", "place"):
        ours, theirs = getattr(first, name), getattr(second, name)
        if (wrong := ours != theirs).any():
            row = int(wrong.argmax())
            return f"{name} of row {row:,} is {theirs[row]} and {ours[row]}"
    return ""


@dataclass(frozen=True, kw_only=True)
class SameImages:
    """Two networks on the same images."""

    first: Member
    second: Member
    both: int
    """Images that both got right."""
    only_first: int
    only_second: int
    neither: int
    p: float
    """McNemar's, exact, two-sided."""
    p_corrected: float
    """By Holm, for all such tests of the comparison."""


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An image that one side alone got right, in more pairs of networks than the other side alone."""

    sample: int
    place: str
    truth: str
    right: tuple[int, int]
    """How many networks of each side got it right."""
    answers: tuple[str, str]
    """What the first pair's networks answered."""

    @property
    def name(self) -> str:
        """Its place; of an image in memory, its number."""
        return self.place or f"image {self.sample:,}"


def paired(first: Side, second: Side) -> list[tuple[Member, Member]]:
    """Return the networks in pairs: of equal seeds, or in the order of their seeds if none are equal."""
    ours = {seed: members[0] for seed, members in first.by_seed.items()}
    theirs = {seed: members[0] for seed, members in second.by_seed.items()}
    if both := [seed for seed in ours if seed in theirs and seed is not None]:
        return [(ours[seed], theirs[seed]) for seed in both]
    return [*zip(ours.values(), theirs.values(), strict=False)]


def on_same_images(first: Side, second: Side, book: AnswerBook) -> list[SameImages]:
    """Return each pair of networks whose answers are there, on the same images; p not corrected yet."""
    found = []
    for one, other in paired(first, second):
        ours, theirs = book.marks(one), book.marks(other)
        if ours is None or theirs is None:
            continue
        both = int((ours.correct & theirs.correct).sum())
        only = int(ours.correct.sum()) - both, int(theirs.correct.sum()) - both
        p = mcnemar_test(*only)
        found.append(
            SameImages(
                first=one, second=other, both=both, only_first=only[0], only_second=only[1],
                neither=len(ours.correct) - both - sum(only), p=p, p_corrected=p,
            )
        )  # fmt: skip
    return found


def flips(pairs: Sequence[SameImages], book: AnswerBook, most: int) -> tuple[list[Flip], list[Flip]]:
    """Return the images that the first alone got right, and those of the second, at most so many of each.

    Those on which most pairs of networks agree are first, then in the order of the split.
    """
    if not pairs:
        return [], []
    ours, theirs = (
        _right(members, book) for members in zip(*((p.first, p.second) for p in pairs), strict=True)
    )

    def most_of(more: Array) -> list[Flip]:
        rows = map(int, _most_first(more, most))
        return [_flip(row, pairs[0], book, (int(ours[row]), int(theirs[row]))) for row in rows]

    return most_of(ours - theirs), most_of(theirs - ours)


def _right(members: Iterable[Member], book: AnswerBook) -> Array:
    """Return how many of the networks got each image right."""
    marks = [book.marks(member) for member in members]
    right: Array = np.stack([each.correct for each in marks if each is not None]).sum(0, dtype=np.int64)
    return right


def _most_first(more: Array, most: int) -> Array:
    """Return the rows where `more` is above zero, the greatest first, else in their order."""
    rows = np.flatnonzero(more > 0)
    return rows[np.argsort(-more[rows], kind="stable")][:most]


def _flip(row: int, pair: SameImages, book: AnswerBook, right: tuple[int, int]) -> Flip:
    images = book.images(pair.first)
    ours, theirs = book.marks(pair.first), book.marks(pair.second)
    assert ours is not None and theirs is not None
    return Flip(
        sample=int(images.sample[row]),
        place=str(images.place[row]),
        truth=images.class_of(int(images.truth[row])),
        right=right,
        answers=(images.class_of(int(ours.answer[row])), images.class_of(int(theirs.answer[row]))),
    )


def flip_rows(
    first: Side, second: Side, pairs: Sequence[SameImages], book: AnswerBook
) -> Iterator[list[object]]:
    """Yield a line for each image of each pair of networks that one of them alone got right."""
    for pair in pairs:
        ours, theirs = book.marks(pair.first), book.marks(pair.second)
        assert ours is not None and theirs is not None
        for row in np.flatnonzero(ours.correct != theirs.correct):
            flip = _flip(int(row), pair, book, (int(ours.correct[row]), int(theirs.correct[row])))
            yield [
                first.letter, second.letter, pair.first.seed, pair.second.seed, flip.sample, flip.place,
                flip.truth, *flip.answers, first.letter if ours.correct[row] else second.letter,
            ]  # fmt: skip
