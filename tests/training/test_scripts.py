"""Training with worker processes from a script as people write it: without a main guard."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.photographs import write_photographs

pytestmark = pytest.mark.processes

TRAINS = """
import contextlib, io, pathlib, sys
import resnetlab
from resnetlab.cli import main

def slow():
    return [name for name in SLOW if name in sys.modules]

SLOW = (
    "torch._dynamo", "torch._inductor", "sympy", "scipy", "sklearn", "pandas", "onnx", "onnxruntime",
    "openvino", "datasets", "h5py", "matplotlib", "IPython", "huggingface_hub", "shtab",
    "tensorboard.summary", "absl", "fsspec",
)
print("begins", flush=True)
common = {"data": "photos", "out": "run", "steps": 2, "batch": 8, "workers": 1, "image_size": 32}
result = resnetlab.train("resnet8", observer=resnetlab.Silence(), **common)
print(result.step, __file__ is not None, __spec__, flush=True)
print(slow())
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    image = str(next(pathlib.Path("photos").rglob("*.jpg")))
    codes = [main(["predict", "run", image]), main(["eval", "run"])]
print(codes, [name for name in slow() if name != "matplotlib"])  # eval draws
"""

LOADS_IN_THREADS = """
import threading
import numpy as np
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.batches.loader import ForTraining, Images, Request, load
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.recipe import Preparation

print("begins", flush=True)
before = {name: globals().get(name) for name in ("__file__", "__spec__")}
crops = TrainingPreparation(Preparation(image_size=24, train_crop="random-resized"), 0)
images = Images(open_folder("photos").train, ForTraining(crops, (24, 24)), skips=False)
wanted = [Request(np.arange(n, n + 4), np.zeros(4, np.int64), 24) for n in range(0, 12, 4)]
sums = []

def read():
    sums.append(sum(int(batch.images.sum()) for batch in load(images, wanted, workers=1, pins=False)))

threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(sums), len(set(sums)), before == {name: globals().get(name) for name in before}, flush=True)
"""

SLOW_TO_CLEAR_UP = """
import multiprocessing.queues, multiprocessing.synchronize, threading, time
from multiprocessing import resource_tracker

feed = multiprocessing.queues.Queue._feed

def feed_slowly(*held):
    feed(*held)
    time.sleep(0.02)

def clear_up(name):
    multiprocessing.synchronize.sem_unlink(name)
    if threading.current_thread().name == "QueueFeederThread": time.sleep(0.1)
    resource_tracker.unregister(name, "semaphore")

multiprocessing.queues.Queue._feed = staticmethod(feed_slowly)
multiprocessing.synchronize.SemLock._cleanup = staticmethod(clear_up)
"""
"""What a busy machine does now and then: the threads that wrote to workers give their locks back late."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write_photographs(tmp_path / "photos")
    return tmp_path


def output_of(work: Path, *command: str, typed: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, *command],
        input=typed,
        cwd=work,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_script_without_a_main_guard_trains_once_and_no_command_imports_what_is_slow(work: Path) -> None:
    (work / "script.py").write_text(TRAINS)

    assert output_of(work, "script.py") == ["begins", "2 True None", "[]", "[0, 0] []"]


@pytest.mark.parametrize("way", ["typed", "module"])
def test_workers_that_threads_start_at_once_run_nothing_of_the_script(way: str, work: Path) -> None:
    (work / "script.py").write_text(LOADS_IN_THREADS)
    command = {"typed": ["-"], "module": ["-m", "script"]}[way]

    found = output_of(work, *command, typed=LOADS_IN_THREADS if way == "typed" else "")

    assert found == ["begins", "4 1 True"]


def test_a_script_that_ends_at_once_leaves_no_warning_of_locks_not_given_back(work: Path) -> None:
    (work / "script.py").write_text(SLOW_TO_CLEAR_UP + LOADS_IN_THREADS)

    assert output_of(work, "script.py") == ["begins", "4 1 True"]
