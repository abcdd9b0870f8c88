"""Each pair of sides judged: whether it can be compared, Welch's test over seeds, McNemar's on the images."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from resnetlab.base.units import first_of
from resnetlab.evaluation.significance import LEVEL, Welch, holm, welch_test
from resnetlab.evaluation.views import SINGLE
from resnetlab.reporting.comparing.same_images import AnswerBook, SameImages, on_same_images, paired
from resnetlab.reporting.comparing.sides import Member, Side
from resnetlab.reporting.reading import RecordedRun
from resnetlab.show.tables.differences import decided_for_us, differing_leaves

_SAME_LENGTH = 0.005
"""Epochs of two runs that differ by less are called the same: 64,000 steps are 163.84 epochs."""

_MOST_VALUES = 6


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two sides, judged."""

    first: Side
    second: Side
    refused: str = ""
    """Why they cannot be compared."""
    seeds: Welch | None = None
    """Error of the first less that of the second over seeds, in points of %."""
    p_corrected: float | None = None
    """Its p by Holm, for all such tests of the comparison."""
    images: tuple[SameImages, ...] = ()
    warnings: tuple[str, ...] = ()
    without_answers: tuple[Member, ...] = ()
    """Networks whose answers are not there, which a test on the same images would need."""

    @property
    def difference(self) -> float:
        """Mean error of the first less that of the second, in points of %: above 0 the second is better."""
        return self.first.mean - self.second.mean

    @property
    def is_more_than_chance(self) -> bool | None:
        """What the test over seeds says, or with one network each that on the images; None without one."""
        if self.p_corrected is not None:
            return self.p_corrected < LEVEL
        if self.seeds is None and len(self.images) == 1 == max(
            map(len, (self.first.errors, self.second.errors))
        ):
            return self.images[0].p_corrected < LEVEL
        return None


def judge(sides: Sequence[Side], book: AnswerBook) -> list[Pair]:
    """Return every pair of the sides, judged; p corrected for as many tests as there are."""
    pairs = [_judged(first, second, book) for first, second in combinations(sides, 2)]
    seeds = iter(holm([pair.seeds.p for pair in pairs if pair.seeds]))
    images = iter(holm([each.p for pair in pairs for each in pair.images]))
    return [
        dataclasses.replace(
            pair,
            p_corrected=next(seeds) if pair.seeds else None,
            images=tuple(dataclasses.replace(each, p_corrected=next(images)) for each in pair.images),
        )
        for pair in pairs
    ]


def _judged(first: Side, second: Side, book: AnswerBook) -> Pair:
    if refused := refusal(first, second):
        return Pair(first=first, second=second, refused=refused)
    images = on_same_images(first, second, book)
    missing = [each for pair in paired(first, second) for each in pair if book.marks(each) is None]
    return Pair(
        first=first,
        second=second,
        seeds=welch_test(first.errors, second.errors),
        images=tuple(images),
        warnings=tuple(_warnings(first, second)),
        without_answers=tuple({member.path: member for member in missing}.values()),
    )


def refusal(first: Side, second: Side) -> str:
    """Return why two sides cannot be compared; empty if they can."""
    members = (*first.members, *second.members)

    def differ(name: str) -> bool:
        return len({getattr(member, name) for member in members}) > 1

    def told(name: str) -> str:
        return " and ".join(
            f"{side.letter} {first_of(sorted({str(getattr(m, name)) for m in side.members}))}"
            for side in (first, second)
        )

    if differ("fingerprint"):
        prints = " and ".join(
            f"{side.letter} {', '.join(sorted({f'{m.data} ({m.fingerprint[:8]})' for m in side.members}))}"
            for side in (first, second)
        )
        return f"of other data, by its fingerprint: {prints}"
    if differ("split"):
        return f"of other splits: {told('split')}"
    if differ("views"):
        return f"of other views of each image: {told('views')}"
    if differ("held_out"):
        return "of other images: each held out others for validation"
    if differ("seen"):
        return f"of other numbers of images: {told('seen')}"
    return _same_twice(first, second)


def _same_twice(first: Side, second: Side) -> str:
    """Return what to say if one network is on both sides: itself, a copy, or its run and its evaluation."""
    for one in first.members:
        for other in second.members:
            if one.run is None or other.run is None or (one.step, one.weights) != (other.step, other.weights):
                continue
            is_itself = one.run.path.resolve() == other.run.path.resolve()
            if is_itself or _is_copy(one, other):
                return f"the same network twice: {one.path} and {other.path}"
    return ""


def _is_copy(one: Member, other: Member) -> bool:
    """Whether two runs of one recipe and seed ended alike to the last digit of the loss."""
    assert one.run is not None and other.run is not None
    return one.correct == other.correct and _ending(one.run) == _ending(other.run)


def _ending(run: RecordedRun) -> tuple[object, ...]:
    return run.recipe, run.spec, run.data["fingerprint"], run.first_weights, run.result.get("loss")


def _warnings(first: Side, second: Side) -> Iterator[str]:
    """Yield what a reader of the pair must know, but for what is of one side alone."""
    one, other = first.run, second.run
    if one is None or other is None:
        return
    yield from _lengths(first, second)
    silent = {"seed"} | decided_for_us(begins_trained=bool(one.weights or other.weights))
    leaves = differing_leaves(one.recipe, other.recipe)
    values = [
        f"{name} {ours.text or 'none'} and {theirs.text or 'none'}"
        for name, (ours, theirs) in leaves.items()
        if name not in silent
    ]
    networks = one.spec != other.spec
    began = one.first_weights != other.first_weights
    if (networks or began) and values:
        what = " and ".join(["the networks"] * networks + ["the first weights"] * began)
        yield f"besides {what}, the recipes differ: {first_of(values, _MOST_VALUES, between='; ')}"
    elif len(values) > 1:
        yield f"{len(values)} values of the recipes differ: {first_of(values, _MOST_VALUES, between='; ')}"
    elif networks and began:
        yield "besides the networks, the first weights differ"
    if first.members[0].weights != second.members[0].weights:
        yield f"{first.members[0].weights} of {first.letter}, {second.members[0].weights} of {second.letter}"


def _lengths(first: Side, second: Side) -> Iterator[str]:
    lengths = [_epochs(side.run) for side in (first, second)]
    if None in lengths:
        return
    short, long = sorted(length for length in lengths if length is not None)
    if long - short > _SAME_LENGTH * long:
        told = " and ".join(f"{s.letter} {e:.4g}" for s, e in zip((first, second), lengths, strict=True))
        yield f"of different budgets: {told} epochs"


def _epochs(run: RecordedRun | None) -> float | None:
    epochs = run.result.get("epochs") if run else None
    return float(epochs) if isinstance(epochs, int | float) and 0 <= epochs < 1e12 else None


def warnings_of(side: Side) -> Iterator[str]:
    """Yield what a reader of one side's errors must know."""
    members = side.members
    if those := [m for m in members if m.is_of_a_run and m.run and m.run.result.get("stopped_on_test")]:
        of = f"{len(those)} of {len(members)} runs" if len(members) > 1 else "the run"
        yield f"selection on the test set: {of} ended when the test accuracy reached a goal (stop_at)"
    if those := [m for m in members if not m.is_of_a_run and m.run and m.step != m.run.step]:
        yield (
            f"of step {those[0].step:,}, not the last one ({those[0].run.step:,})"  # type: ignore[union-attr]
            + ": if it was chosen by this score, that is a selection on the test set"
            * (those[0].split == "test")
        )
    if members[0].views != SINGLE:
        yield f"{members[0].views}: answers averaged over views of each image, no errors of a single view"
    if members[0].split in ("train", "all"):
        yield (
            "scored on images that it was trained on"
            if members[0].split == "train"
            else ("scored on all of the data: if it was trained on a part, that part says little")
        )
    if members[0].split == "val":
        yield "on validation images, by which checkpoint or length may have been chosen"
    doubled = {seed: those for seed, those in side.by_seed.items() if len(those) > 1}
    for seed, alike in doubled.items():
        yield f"seed {seed} more than once, counted as one: {first_of([each.path for each in alike])}"
