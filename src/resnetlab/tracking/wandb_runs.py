"""Weights & Biases. With WANDB_MODE=offline it writes into ./wandb, which `wandb sync` sends."""

import io
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnetlab.base.paths import as_word
from resnetlab.tracking.tracker import PROJECT, Subject


class WandbTracker:
    """A run of W&B; its project is WANDB_PROJECT if none is named."""

    def begin(self, subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
        """List the run; `known` has its id and its project."""
        import os

        import wandb

        found = {
            "id": known.get("id") or uuid.uuid4().hex[:12],
            "project": known.get("project") or subject.project or os.environ.get("WANDB_PROJECT") or PROJECT,
        }
        self._run: Any = wandb.init(
            id=found["id"],
            project=found["project"],
            name=subject.name,
            group=subject.group or None,
            config=subject.hyper_parameters,
            resume="allow",
            reinit="create_new",  # runs of a study may be made at once
            settings=wandb.Settings(console="off", silent=True),
        )
        return found

    @property
    def place(self) -> str:
        """Its address; offline the command that sends it."""
        if self._run.offline:
            return f"wandb sync {as_word(Path(self._run.dir).parent)}"
        return str(self._run.url)

    @property
    def last_step(self) -> int:
        """The step before the one that it waits for."""
        return int(self._run.step) - 1

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""
        self._run.log(dict(values), step=step)

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Take a picture."""
        import wandb
        from PIL import Image

        self._run.log({name: wandb.Image(Image.open(io.BytesIO(png)))}, step=step)

    def end(self, summary: Mapping[str, float], *, is_whole: bool) -> None:
        """Close the run."""
        self._run.summary.update(dict(summary))
        self._run.finish(exit_code=0 if is_whole else 1)
