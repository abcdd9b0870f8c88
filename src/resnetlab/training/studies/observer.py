"""What a study tells whoever watches it."""

from collections.abc import Mapping

from resnetlab.errors import ResnetlabError
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result


class StudyObserver:
    """Told of the runs of a study, with several at once from their threads; this one shows nothing."""

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        """The runs of these names and numbers of steps are about to be made, so many at once."""

    def of(self, name: str) -> Observer:
        """Return who watches this run, which is about to begin or to go on."""
        return Observer()

    def ended(self, name: str, result: Result) -> None:
        """The run came to its end, here, before this process began, or meanwhile in another one."""

    def failed(self, name: str, error: ResnetlabError) -> None:
        """The run stopped before its end."""

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        """Nothing is left to do here; other processes still make these runs: by name, who."""


class AsideOfStudy(StudyObserver):
    """Of a process that is not the first of several: what all know is the first one's to show.

    Args:
        observer: Who is told what only this process knows, of single runs.
    """

    def __init__(self, observer: StudyObserver) -> None:
        self._observer = observer

    def of(self, name: str) -> Observer:
        """Return who watches this run in this process."""
        return self._observer.of(name)
