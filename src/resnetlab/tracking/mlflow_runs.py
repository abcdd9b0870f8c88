"""MLflow: the server or the file that MLFLOW_TRACKING_URI names, else what MLflow itself takes."""

import io
import os
import time
from collections.abc import Mapping
from typing import Any

from resnetlab.tracking.tracker import PROJECT, Subject

_MOST_AT_ONCE = 100
"""Parameters of a request. Source: MLflow's REST API, "log batch"."""
_MOST_LETTERS = 500
"""Of a parameter's value, which every version and store takes."""


class MlflowTracker:
    """A run of MLflow; its experiment is MLFLOW_EXPERIMENT_NAME if no project is named."""

    _last_step = -1

    def begin(self, subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
        """List the run; `known` has its id."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client: Any = MlflowClient()
        if known.get("run_id"):
            self._id = str(known["run_id"])
            self._client.update_run(self._id, status="RUNNING")
            self._last_step = max(self._steps(), default=-1)
            return dict(known)
        tags = {"mlflow.runName": subject.name} | ({"study": subject.group} if subject.group else {})
        self._id = self._client.create_run(self._experiment(subject), tags=tags).info.run_id
        values = [Param(name, str(value)[:_MOST_LETTERS]) for name, value in subject.hyper_parameters.items()]
        for start in range(0, len(values), _MOST_AT_ONCE):
            self._client.log_batch(self._id, params=values[start : start + _MOST_AT_ONCE])
        return {"run_id": self._id}

    def _experiment(self, subject: Subject) -> str:
        name = subject.project or os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _steps(self) -> list[int]:
        names = self._client.get_run(self._id).data.metrics
        return [int(each.step) for name in names for each in self._client.get_metric_history(self._id, name)]

    @property
    def place(self) -> str:
        """Where MLflow keeps it."""
        import mlflow

        return f"run {self._id} of {mlflow.get_tracking_uri()}"

    @property
    def last_step(self) -> int:
        """The last step that it had when the run went on."""
        return self._last_step

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Keep a picture as the artifact NAME.png."""
        from PIL import Image

        self._client.log_image(self._id, Image.open(io.BytesIO(png)), f"{name}.png")

    def end(self, summary: Mapping[str, float], *, is_whole: bool) -> None:
        """Close the run."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(self._id, metrics=[Metric(n, float(v), now, 0) for n, v in summary.items()])
        self._client.set_terminated(self._id, "FINISHED" if is_whole else "FAILED")
