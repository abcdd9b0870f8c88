"""Who sees a run or a study of a call: who shows it, and the trackers that follow it."""

import contextlib
from collections.abc import Iterator, Sequence

from resnetlab.parallel.world import World
from resnetlab.tracking.following import Followed, FollowedStudy, read_asked
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.studies import StudyObserver
from resnetlab.watching.here import watching_here, watching_study_here

Track = str | Sequence[str] | None


@contextlib.contextmanager
def shown(observer: Observer | None, track: Track, world: World) -> Iterator[Observer]:
    """Give who watches a run while inside; None is whoever suits the place.

    Raises:
        UsageError: If there is no such tracker, or it is not installed.
    """
    asked = world.together(lambda: read_asked(track))
    with watching_here(observer, world) as watcher:
        yield Followed(watcher, asked)


@contextlib.contextmanager
def shown_study(
    observer: StudyObserver | Silence | None, track: Track, world: World
) -> Iterator[StudyObserver]:
    """Give who watches a study while inside, as `shown`."""
    asked = world.together(lambda: read_asked(track))
    with watching_study_here(observer, world) as watcher:
        yield FollowedStudy(watcher, asked)
