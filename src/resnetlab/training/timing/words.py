"""A profile as a table that fits 80 columns, worst first."""

from resnetlab.show.tables.align import titled
from resnetlab.training.timing.account import Taken
from resnetlab.training.timing.kinds import KINDS, PASSES
from resnetlab.training.timing.profile import Profile

_BAR, _COLUMNS = 18, 80
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PASS_TITLES = {"forward": "forward", "by_input": "by input", "by_weights": "by weights"}
_HEAD = "convolutions in GFLOP/s"
_LEAST = 0.0005
"""Share below which a kind is left out."""


def lines_of(profile: Profile, *, is_ascii: bool = False) -> list[str]:
    """Return the lines of a profile: kinds of work with bars, then each kind of convolution.

    Args:
        profile: Which.
        is_ascii: Whether bars are made of #.
    """
    return [*_heading(profile), "", *_kinds(profile, is_ascii), "", *_convolutions(profile, is_ascii)]


def _heading(profile: Profile) -> list[str]:
    steps = profile.account.steps
    beside = f" (without the profiler {1e3 * profile.unprofiled:.1f})" if profile.unprofiled else ""
    several = f"{steps} steps of" if steps > 1 else "a step of"
    return [f"profile of {several} {1e3 * profile.seconds:.1f} ms{beside}"]


def _kinds(profile: Profile, is_ascii: bool) -> list[str]:
    width = max(map(len, KINDS.values()))
    lines = [f"{'kind of work':<{width}}  {'ms a step':>9}  {'share':>6}  {'':<{_BAR}}  GFLOP/s  of best"]
    worst = max(KINDS, key=profile.share)
    for kind in sorted(KINDS, key=profile.share, reverse=True):
        share, rate = profile.share(kind), ""
        if share < _LEAST:
            continue
        bar = _bar(share / profile.share(worst), is_ascii)
        if kind in PASSES:
            of_best = 100 * profile.rate(kind) / profile.peak.rate
            rate = f"  {profile.rate(kind) / 1e9:>7,.0f}  {of_best:>5.0f} %"
        spent = 1e3 * share * profile.seconds
        line = f"{KINDS[kind]:<{width}}  {spent:>9.2f}  {100 * share:>4.1f} %  {bar:<{_BAR}}{rate}"
        lines.append(line.rstrip())
    return lines


def _bar(share: float, is_ascii: bool) -> str:
    if is_ascii:
        return "#" * max(1, round(_BAR * share))
    eighths = max(1, round(8 * _BAR * share))
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _convolutions(profile: Profile, is_ascii: bool) -> list[str]:
    """Return a line for each kind of convolution: its passes' rates and their shares of the best."""
    found = profile.account.convolutions
    if not found:
        return []
    there = [what for what in PASSES if any(what in passes for passes in found.values())]
    titles = [each.title.replace("→", ">") if is_ascii else each.title for each in found]
    width = max(map(len, [*titles, _HEAD]))
    lines = [f"     {_HEAD:<{width}}" + "".join(f"  {_PASS_TITLES[what]:>13}" for what in there)]
    for title, passes in zip(titles, found.values(), strict=True):
        times = max(taken.count for taken in passes.values()) / profile.account.steps
        cells = "".join(f"  {_cell(passes.get(what), profile.peak.rate):>13}" for what in there)
        lines.append(f"{times:>3.0f}  {title:<{width}}{cells}".rstrip())
    peak = f"{profile.peak.rate / 1e9:,.0f} GFLOP/s, {profile.peak.by}"
    best = titled("", f"best seen here in {profile.precision}: {peak}", width=_COLUMNS)
    return [*lines, "", *best.split("\n")]


def _cell(taken: Taken | None, best: float) -> str:
    if taken is None:
        return ""
    rate = taken.operations / taken.seconds
    return f"{rate / 1e9:,.0f} ({100 * rate / best:>2.0f} %)"
