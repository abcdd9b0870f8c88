"""Trackio, which keeps runs on this machine; `trackio show` looks at them."""

import io
import shlex
import uuid
from collections.abc import Mapping
from typing import Any

from resnetlab.tracking.tracker import PROJECT, Subject


class TrackioTracker:
    """A run of Trackio."""

    def begin(self, subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
        """List the run; `known` has its name and its project."""
        import trackio

        found = {
            "name": known.get("name") or f"{subject.name}-{uuid.uuid4().hex[:4]}",  # it finds runs by name
            "project": known.get("project") or subject.project or PROJECT,
        }
        self._run: Any = trackio.init(
            project=found["project"],
            name=found["name"],
            group=subject.group or None,
            config=dict(subject.hyper_parameters),
            resume="must" if known else "never",
        )
        self._project = found["project"]
        return found

    @property
    def place(self) -> str:
        """The command that shows it."""
        return f"trackio show --project {shlex.quote(self._project)}"

    @property
    def last_step(self) -> int:
        """The last step that it had when the run went on, which its public functions do not tell."""
        last = getattr(self._run, "_initial_last_step", None)
        return -1 if last is None else int(last)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""
        self._run.log(dict(values), step=step)

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Take a picture."""
        import trackio
        from PIL import Image

        self._run.log({name: trackio.Image(Image.open(io.BytesIO(png)))}, step=step)

    def end(self, summary: Mapping[str, float], *, is_whole: bool) -> None:
        """Close the run, which Trackio has as the one of this thread."""
        import trackio

        trackio.finish()
