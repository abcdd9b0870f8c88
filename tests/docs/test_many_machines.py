"""docs/many-machines.md and docs/examples: scripts are scripts, YAML is what is read, commands are ours."""

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.shapes import SBATCH, SKY_TASK, TRAIN_JOB, TRAINING_RUNTIME, strange
from tests.kit.commands import accept

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
SCRIPTS = [*sorted(EXAMPLES.glob("*.sbatch")), *sorted(EXAMPLES.glob("*.sh"))]
RUNTIME, JOB = yaml.safe_load_all((EXAMPLES / "trainjob.yaml").read_text())
SKY = yaml.safe_load((EXAMPLES / "skypilot.yaml").read_text())


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command of ours in a script."""
    for line in text.replace("\\\n", " ").splitlines():
        if match := re.search(r"(?:^|\s|-m )resnetlab ((?:train|resume|eval|plan|doctor|report) .*)", line):
            yield [each for each in shlex.split(match[1].rstrip("'"), comments=True) if each != "&"]


def test_every_example_is_named_on_the_page_and_the_other_way_round() -> None:
    text = (DOCS / "many-machines.md").read_text(encoding="utf-8")

    assert {*re.findall(r"\]\(examples/([^)]+)\)", text)} == {path.name for path in EXAMPLES.iterdir()}


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_a_script_is_one_and_its_commands_are_ours(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    found = [*commands(path.read_text(encoding="utf-8"))]
    assert len(found) == 1
    accept(*found[0])
    assert {"--out", "--resume-if-begun"} <= {*found[0]}


def test_every_command_of_the_page_is_accepted() -> None:
    text = (DOCS / "many-machines.md").read_text(encoding="utf-8")
    found = [*commands("\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)))]

    for arguments in found:
        accept(*arguments)
    assert len(found) > 5


@pytest.mark.parametrize("name", ["slurm.sbatch", "slurm-array.sbatch"])
def test_the_options_of_a_batch_script_are_those_of_sbatch(name: str) -> None:
    lines = (EXAMPLES / name).read_text().splitlines()
    given = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")]
    first_command = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))

    assert all(re.fullmatch(SBATCH[each.partition("=")[0]], each.partition("=")[2]) for each in given)
    assert not [line for line in lines[first_command:] if line.startswith("#SBATCH")]  # they would not count
    assert {"requeue", "open-mode=append"} <= {*given}


STUBS = {
    "scontrol": 'if [ "$1" = show ]; then echo host-a; echo host-b; else echo "scontrol $*"; fi',
    "srun": """while [[ $1 == --* ]]; do shift; done
for id in 0 1 2 3; do SLURM_PROCID=$id SLURM_LOCALID=$((id % 2)) "$@"; done; exit "$CODE" """,
    "resnetlab": 'echo "$RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $MASTER_ADDR:$MASTER_PORT $OUT"',
}
SLURM = {
    "SLURM_JOB_NODELIST": "host-[a-b]", "SLURM_JOB_ID": "41234", "SLURM_CPUS_PER_TASK": "8",
    "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2",
}  # fmt: skip


@pytest.mark.parametrize("code", [0, 75, 4])
def test_a_batch_job_tells_each_task_its_place_and_is_queued_again_if_it_was_stopped(
    code: int, tmp_path: Path
) -> None:
    for name, text in STUBS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    environment = SLURM | {"CODE": str(code), "HOME": "/home/me", "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run(
        ["bash", str(EXAMPLES / "slurm.sbatch")], env=environment, capture_output=True, text=True, check=False
    )

    places = [f"{rank}/4 {rank % 2}/2 host-a:21234 /home/me/runs/resnet50" for rank in range(4)]
    assert done.stdout.splitlines() == [*places, *(["scontrol requeue 41234"] if code == 75 else [])]
    assert (done.returncode, done.stderr) == (code, "")


def test_the_train_job_and_its_runtime_are_what_kubeflow_trainer_takes() -> None:
    assert [*strange(RUNTIME, TRAINING_RUNTIME), *strange(JOB, TRAIN_JOB)] == []
    reference = JOB["spec"]["runtimeRef"]
    assert (reference["kind"], reference["name"]) == (RUNTIME["kind"], RUNTIME["metadata"]["name"])
    (node,) = RUNTIME["spec"]["template"]["spec"]["replicatedJobs"]
    assert node["template"]["metadata"]["labels"] == {
        "trainer.kubeflow.org/trainjob-ancestor-step": "trainer"
    }
    pod = node["template"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (node["name"], container["name"]) == ("node", "node")  # by these names Trainer finds it
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    trainer = JOB["spec"]["trainer"]
    assert not [each for each in trainer["env"] if each["name"].startswith("PET_")]  # Trainer's own
    assert trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == str(trainer["numProcPerNode"])
    assert trainer["command"] == ["torchrun", "-m", "resnetlab"]
    accept(*trainer["args"])
    (shards,) = (int(each.rpartition("=")[2]) for each in trainer["args"] if "shards=" in each)
    assert shards % (trainer["numNodes"] * trainer["numProcPerNode"]) == 0


def test_the_sky_job_is_what_skypilot_takes() -> None:
    assert [*strange(SKY, SKY_TASK)] == []
    assert SKY["resources"]["job_recovery"]["recover_on_exit_codes"] == [75]
    for text in (SKY["setup"], SKY["run"]):
        subprocess.run(["bash", "-n", "-c", text], check=True)
    (arguments,) = commands(SKY["run"])
    accept(*arguments)
    mounted = tuple(SKY["volumes"])
    assert all(value.startswith(mounted) for value in SKY["envs"].values())


def test_a_strange_shape_is_found() -> None:
    spec = {"runtimeRef": {}, "trainer": {"numNodes": "2", "commands": []}}
    wrong: dict[str, Any] = {"apiVersion": "v1", "metadata": [], "spec": spec}

    assert [*strange(wrong, TRAIN_JOB)] == [
        ": no kind",
        "/apiVersion: 'v1' is none of ('trainer.kubeflow.org/v1alpha1',)",
        "/metadata: no mapping",
        "/spec/runtimeRef: no name",
        "/spec/trainer/numNodes: '2' is no int",
        "/spec/trainer: unknown commands",
    ]


@pytest.mark.docs
def test_processes_of_the_python_example_share_its_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "ray_study.py"), "resnet8", "plain8", "--data", "digits",
         "--steps", "2", "--out", str(tmp_path / "table"), "--workers", "2"],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(\w+8) .* 1 ", done.stdout, re.MULTILINE) == ["plain8", "resnet8"]
