"""What a YAML file may say and must say, as nested plain Python, and where one does otherwise.

A shape is a type; `[shape]` for a list; a dict of the keys that there may be, those with a "+" before them
needed, "*" for any other key; `one(...)` for one of some values. Only what our examples use is restated.
"""

from collections.abc import Iterator
from typing import Any


class one:
    """One of these values."""

    def __init__(self, *values: object) -> None:
        self.values = values


def strange(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Yield every place where a value has another shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{where}: no mapping"
            return
        known = {key.removeprefix("+"): each for key, each in shape.items()}
        yield from (f"{where}: no {key[1:]}" for key in shape if key[0] == "+" and key[1:] not in value)
        for key, each in value.items():
            if key in known or "*" in known:
                yield from strange(each, known.get(key, known.get("*")), f"{where}/{key}")
            else:
                yield f"{where}: unknown {key}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where}: no list"
            return
        for number, each in enumerate(value):
            yield from strange(each, shape[0], f"{where}/{number}")
    elif isinstance(shape, one):
        if value not in shape.values:
            yield f"{where}: {value!r} is none of {shape.values}"
    elif type(value) is not shape:
        yield f"{where}: {value!r} is no {shape.__name__}"


_NAMED = {"+name": str, "labels": {"*": str}, "annotations": {"*": str}}
_VALUE = {"+name": str, "value": str}
_API = "trainer.kubeflow.org/v1alpha1"

_VOLUME = {
    "+name": str,
    "persistentVolumeClaim": {"+claimName": str, "readOnly": bool},
    "emptyDir": {"medium": one("", "Memory"), "sizeLimit": str},
}
_CONTAINER = {
    "+name": str,
    "+image": str,
    "env": [_VALUE],
    "volumeMounts": [{"+name": str, "+mountPath": str, "readOnly": bool}],
}
_POD = {
    "restartPolicy": one("Never", "OnFailure"),  # of a Job's pods
    "terminationGracePeriodSeconds": int,
    "+containers": [_CONTAINER],
    "volumes": [_VOLUME],
}
_JOB = {"backoffLimit": int, "+template": {"metadata": {"labels": {"*": str}}, "+spec": _POD}}
_REPLICATED = {
    "+name": str,
    "replicas": int,
    "+template": {"metadata": {"labels": {"*": str}}, "+spec": _JOB},
}
_JOB_SET = {"failurePolicy": {"maxRestarts": int}, "+replicatedJobs": [_REPLICATED]}

TRAINING_RUNTIME = {
    "+apiVersion": one(_API),
    "+kind": one("TrainingRuntime", "ClusterTrainingRuntime"),
    "+metadata": _NAMED,
    "+spec": {"mlPolicy": {"numNodes": int, "torch": {}}, "+template": {"+spec": _JOB_SET}},
}
TRAIN_JOB = {
    "+apiVersion": one(_API),
    "+kind": one("TrainJob"),
    "+metadata": _NAMED,
    "+spec": {
        "+runtimeRef": {
            "apiGroup": one("trainer.kubeflow.org"),
            "kind": one("TrainingRuntime", "ClusterTrainingRuntime"),
            "+name": str,
        },
        "trainer": {
            "image": str,
            "command": [str],
            "args": [str],
            "env": [_VALUE],
            "numNodes": int,
            "numProcPerNode": int,
            "resourcesPerNode": {"requests": {"*": str}, "limits": {"*": str}},
        },
    },
}
"""Of Kubeflow Trainer 2.3, whose CRDs (manifests/base/crds in its repository) say all of it."""

SKY_TASK = {
    "name": str,
    "num_nodes": int,
    "resources": {
        "accelerators": str,
        "infra": str,
        "use_spot": bool,
        "job_recovery": {"max_restarts_on_errors": int, "recover_on_exit_codes": [int]},
    },
    "volumes": {"*": str},
    "envs": {"*": str},
    "setup": str,
    "run": str,
}
"""Of SkyPilot 0.14; sky/utils/schemas.py in its repository says all of it."""

SBATCH = {
    "job-name": r"[\w-]+",
    "array": r"\d+-\d+(%\d+)?",
    "nodes": r"\d+",
    "ntasks-per-node": r"\d+",
    "gpus-per-node": r"\d+",
    "cpus-per-task": r"\d+",
    "time": r"(\d+-)?\d+:\d\d:\d\d",
    "signal": r"TERM@\d+",
    "requeue": "",
    "open-mode": "append",
}
"""Options of sbatch that the examples give, and what of: the manual page of SLURM 22.05 to 26.11."""
