import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from resnetlab.base.machine.signals import ENDING_SIGNALS
from resnetlab.base.share import UNDIVIDED, Share
from resnetlab.base.units import Duration
from resnetlab.data.batches.loaded import BadSamples, EvaluationBatches, LoadedBatches, WaitClock
from resnetlab.data.batches.loader import (
    Bad,
    Images,
    Request,
    count_workers,
    load,
    no_room,
)
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing, fit_preprocessing
from resnetlab.data.batches.waiting import Patience
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.errors import DataError
from resnetlab.recipe import Augmentation, Normalisation, Preparation, Recipe, Run
from resnetlab.recipe.timeline import Timeline
from tests.kit.loading import CONFIG, SIDE, images, requests
from tests.kit.pictures import picture, write_folder

CPU = torch.device("cpu")


@pytest.fixture
def source(tmp_path):
    return open_folder(write_folder(tmp_path, {"train": {"a": 6, "b": 5}, "test": {"a": 3, "b": 2}}))


def spoil(source, part, *numbers):
    """Cut files of a part short, so that they cannot be decoded."""
    split = source.parts[part]
    for number in numbers:
        path = os.path.join(split.reader.root, split.place(number))
        with open(path, "rb+") as stream:
            stream.truncate(200)


def test_a_batch_is_each_image_prepared_alone(source):
    first = next(load(images(source.train), requests(1), workers=0, pins=False))

    preparation = TrainingPreparation(CONFIG, 0)
    for number, sample in enumerate(first.samples.tolist()):
        expected = preparation.pixels(source.train.read(sample), epoch=0, sample=sample, side=SIDE)
        np.testing.assert_array_equal(expected, first.images[number].numpy())
    assert (first.images.dtype, first.images.shape) == (torch.uint8, (4, SIDE, SIDE, 3))


def test_the_batches_come_in_order_and_alike_from_any_number_of_workers(source):
    one, three = (
        [*load(images(source.train), requests(7), workers=workers, pins=False)] for workers in (0, 3)
    )

    assert [each.samples.tolist() for each in one] == [r.samples.tolist() for r in requests(7)]
    for first, second in zip(one, three, strict=True):
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.samples, second.samples)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_our_error_with_its_place_and_no_traceback(workers, source):
    spoil(source, "train", 2)

    with pytest.raises(DataError) as raised:
        list(load(images(source.train), requests(1), workers=workers, pins=False))

    assert str(raised.value).startswith("train/a/002.jpg: ")
    assert "Traceback" not in str(raised.value)
    assert "data check" in raised.value.hint


def test_a_broken_image_that_may_be_is_replaced_by_the_next_whole_one(source):
    spoil(source, "train", 1, 2, 10)
    batch = Request(np.array([0, 1, 2, 10]), np.array([5, 6, 7, 8]), SIDE)

    found = next(load(images(source.train, skips=True), [batch], workers=0, pins=False))

    assert found.samples.tolist() == [0, 3, 3, 0]
    assert found.epochs.tolist() == [5, 6, 7, 8]
    assert [each.sample for each in found.bad] == [1, 2, 10]
    expected = TrainingPreparation(CONFIG, 0).pixels(source.train.read(3), epoch=6, sample=3, side=SIDE)
    np.testing.assert_array_equal(expected, found.images[1].numpy())


def test_a_source_that_is_gone_is_told_before_every_sample_tries_all_others(source):
    gone = Images(source.train, images(source.train).prepared, skips=True, replaces=True, share=0.2)
    batches = make_batches(source.train, share=0.2)
    shutil.rmtree(source.train.reader.root)

    found = next(load(gone, requests(1), workers=0, pins=False))

    assert len(found.samples) == 0
    assert [each.sample for each in found.bad] == [0, 1, 2]  # of 11 may be two
    for _ in range(2):  # in turn and again
        with pytest.raises(DataError, match=r"3 of 11 train images are broken, more than 20 %"):
            batches.at(0)


@pytest.mark.skipif(os.name == "nt", reason="signals there end a process whatever it wants")
def test_the_trainers_signals_do_not_end_its_workers(source):
    batches = load(images(source.train), requests(8), workers=1, pins=False)
    next(batches)
    workers = multiprocessing.active_children()

    for worker in workers:
        for number in ENDING_SIGNALS:
            os.kill(worker.pid, number)

    assert len([*batches]) == 7
    assert {number.name for number in ENDING_SIGNALS} == {
        "SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU",
    }  # fmt: skip


@dataclass(frozen=True)
class Dying:
    """Kills the process it runs in, as a machine without memory would."""

    def __call__(self, split: EncodedSplit, sample: int, epoch: int, side: int) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_worker_that_dies_is_our_error_too(source):
    dying = Images(source.train, Dying(), skips=False)

    with pytest.raises(DataError, match=r"a process that loads images ended.*\n.*fewer --workers"):
        list(load(dying, requests(1), workers=1, pins=False))


@dataclass(frozen=True)
class Slow:
    """Takes an hour for an image."""

    def __call__(self, split: EncodedSplit, sample: int, epoch: int, side: int) -> np.ndarray:
        time.sleep(3600)
        raise AssertionError


def test_a_worker_that_was_stopped_is_not_waited_for(source):
    """It hears nothing but SIGKILL, and whoever reads a batch from it waits without a time limit."""
    batches = load(
        images(source.train), requests(90), workers=1, pins=False, patience=Patience(with_stopped=0.5)
    )
    next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGSTOP)

    with pytest.raises(DataError, match=rf"given up: .* process {worker.pid} was stopped"):
        list(batches)
    worker.join(10)
    assert not worker.is_alive()


@pytest.mark.parametrize(
    ("patience", "reason"),
    [
        (Patience(is_asked_to_leave=lambda: True, when_asked=0.3), "was asked to stop"),
        (Patience(most=0.3), "no images came for 0 s"),
    ],
)
def test_nobody_waits_for_ever(patience, reason, source):
    slow = Images(source.train, Slow(), skips=False)

    with pytest.raises(DataError, match=reason):
        list(load(slow, requests(1), workers=1, pins=False, patience=patience))


def test_shared_memory_that_is_full_is_told_with_what_there_is():
    told = str(no_room(3 * 2**20, "No space left on device"))
    assert re.search(r"for a batch of 3.0 MiB; .* are free in /dev/shm\n.*--workers.*--shm-size", told)


ENDINGS = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.batches.loader import load
from tests.kit.loading import images, requests

batches = load(images(open_folder(sys.argv[1]).train), requests(900), workers=2, pins=False)
next(batches)
raise SystemExit(5)
"""


def test_a_process_that_fails_in_the_midst_ends_with_its_exit_code(source, tmp_path):
    """Python waits for its children at the end, and ours ignore the SIGTERM they get before."""
    command = [sys.executable, "-c", ENDINGS, source.train.reader.root, os.getcwd()]
    assert subprocess.run(command, timeout=60, check=False).returncode == 5


ORPHANS = """
import multiprocessing, sys, time
import numpy as np
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.batches.loader import ForTraining, Images, Request, load
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.recipe import Preparation

if __name__ == "__main__":
    config = Preparation(image_size=24, train_crop="random-resized")
    prepared = ForTraining(TrainingPreparation(config, 0), (24, 24))
    requests = [Request(np.arange(2), np.zeros(2, np.int64), 24)] * 9
    batches = load(Images(open_folder(sys.argv[1]).train, prepared, False), requests, workers=1, pins=False)
    next(batches)
    print(multiprocessing.active_children()[0].pid, flush=True)
    time.sleep(60)
"""


def test_no_worker_outlives_a_training_process_that_was_killed(source, tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    root = source.train.reader.root
    with subprocess.Popen([sys.executable, str(script), root], stdout=subprocess.PIPE, text=True) as process:
        worker = int(process.stdout.readline())
        os.kill(worker, 0)  # it is there
        process.kill()
    deadline = time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(worker, 0)
            time.sleep(0.1)


def test_broken_images_are_told_once_and_refused_beyond_their_share():
    told = []
    bad = BadSamples(0.02, tell=lambda *facts: told.append(facts))

    bad.add("train", 100, [Bad(3, "a.jpg: damaged"), Bad(3, "a.jpg: damaged"), Bad(7, "b.jpg: damaged")])
    bad.add("test", 100, [Bad(3, "c.jpg: damaged")])
    with pytest.raises(DataError, match=r"3 of 100 train images are broken, more than 2 %; the last: d\.jpg"):
        bad.add("train", 100, [Bad(9, "d.jpg: damaged")])

    assert told[:3] == [
        ("train", 3, "a.jpg: damaged"), ("train", 7, "b.jpg: damaged"), ("test", 3, "c.jpg: damaged"),
    ]  # fmt: skip


def make_batches(split, *, workers=0, share=0.0, shards=UNDIVIDED, **augmentation):
    recipe = Recipe(
        run=Run(length=Duration(6, "st"), batch=4, seed=3),
        preparation=Preparation(image_size=SIDE, train_crop="random-resized", bad_samples=share),
        augmentation=Augmentation(crop_padding=0, **augmentation),
    )
    return LoadedBatches(
        split,
        timeline=Timeline(num_samples=len(split), batch=4, length=recipe.run.length),
        recipe=recipe,
        preprocessing=Preprocessing(Normaliser("none", 255), Geometry.of(recipe.preparation)),
        size=(SIDE, SIDE),
        device=CPU,
        workers=workers,
        bad=BadSamples(share),
        share=shards,
    )


def test_any_step_in_any_order_gives_the_same_batch(source):
    in_turn, jumping = make_batches(source.train, workers=1), make_batches(source.train)
    whole = [in_turn.at(step) for step in range(6)]

    for step in (4, 5, 1, 3, 3, 0):
        batch = jumping.at(step)
        assert torch.equal(whole[step].images, batch.images)
        assert torch.equal(whole[step].labels, batch.labels)
    in_turn.close()
    assert sorted(torch.cat([b.samples for b in whole])[:11].tolist()) == list(range(11))


def test_the_devices_augmentation_follows_the_crop(source):
    plain = make_batches(source.train, flip="none").at(0)
    mixed = make_batches(source.train, flip="none", mixup=0.4).at(0)
    flipped = make_batches(source.train, flip="alternating").at(0)

    assert mixed.labels_other is not None
    tail = make_batches(source.train, flip="none", mixup=0.4, mix_tail=Duration(2, "st"))
    assert not torch.equal(tail.at(3).images, make_batches(source.train, flip="none").at(3).images)
    assert torch.equal(tail.at(4).images, make_batches(source.train, flip="none").at(4).images)
    is_same = [torch.equal(a, b) for a, b in zip(plain.images, flipped.images, strict=True)]
    is_mirror = [torch.equal(a, b.flip(-1)) for a, b in zip(plain.images, flipped.images, strict=True)]
    assert all(a or b for a, b in zip(is_same, is_mirror, strict=True))
    assert any(is_mirror)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_process_reads_its_own_shards_alone_and_all_together_read_the_batch(source, workers):
    read = []

    class Noting(EncodedSplit):
        def read(self, sample):
            read.append(sample)
            return super().read(sample)

    whole = make_batches(source.train, mixup=0.4, shards=Share.whole(2))
    halves = [Share(0, 1, 2), Share(1, 1, 2)]
    split = source.train
    if not workers:
        split = Noting(split.reader, split.indices, split.labels)
    parts = [make_batches(split, workers=workers, mixup=0.4, shards=half) for half in halves]

    for step in range(3):
        expected, found = whole.at(step), [part.at(step) for part in parts]
        for name in ("images", "labels", "labels_other"):
            assert torch.equal(torch.cat([getattr(each, name) for each in found]), getattr(expected, name))
        assert [(len(each.labels), each.num_samples) for each in found] == [(2, 4), (2, 4)]
        if not workers:
            assert read[4 * step :] == expected.samples.tolist()
    for part in parts:
        part.close()


def evaluated(
    source, *, workers=0, share=0.0, batch=2, numbers=range(3), preparation=CONFIG, size=(SIDE, SIDE)
):
    bad = BadSamples(share)
    preprocessing = Preprocessing(Normaliser("none", 255), Geometry.of(preparation))
    batches = EvaluationBatches(
        split=source.test, preprocessing=preprocessing, part="test", size=size, device=CPU, batch=batch,
        channels_last=True, workers=workers, bad=bad,
    )  # fmt: skip
    return list(batches.at(numbers)), bad


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_reads_every_sample_exactly_once_and_in_order(workers, source):
    batches, _ = evaluated(source, workers=workers)

    assert torch.cat([batch.samples for batch in batches]).tolist() == [0, 1, 2, 3, 4]
    assert torch.cat([batch.labels for batch in batches]).tolist() == source.test.labels.tolist()
    expected = Geometry.of(CONFIG).pixels(source.test.read(4), 3)
    np.testing.assert_array_equal(expected, batches[-1].images[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("numbers", "samples"), [(range(0, 3, 2), [[0, 1], [4]]), (range(3, 3, 2), [])])
def test_evaluation_reads_only_the_batches_asked_for(numbers, samples, workers, source):
    spoil(source, "test", 2, 3)

    batches, bad = evaluated(source, workers=workers, numbers=numbers)

    assert [batch.samples.tolist() for batch in batches] == samples
    assert not bad.found


def test_evaluation_leaves_out_broken_images_that_may_be(source):
    spoil(source, "test", 2, 3)

    batches, bad = evaluated(source, share=0.5)

    assert [batch and batch.samples.tolist() for batch in batches] == [[0, 1], None, [4]]
    assert bad.count("test") == 2
    with pytest.raises(DataError, match=r"test/a/002\.jpg"):
        evaluated(source)


def test_files_that_are_not_resized_must_have_one_size(source):
    split = source.test
    path = os.path.join(split.reader.root, split.place(1))
    with open(path, "wb") as stream:
        stream.write(picture(1, size=(41, 32)))

    with pytest.raises(DataError, match=r"test/a/001\.jpg: 41x32 pixels, the others 40x32\n--set image_size"):
        evaluated(source, preparation=Preparation(), size=(32, 40))


def test_what_a_normalisation_leaves_open_is_measured_as_evaluation_sees_it(source):
    given = Normalisation(channel_mean=(0.5, 0.5, 0.5), channel_std=(0.1, 0.1, 0.1))
    measured = fit_preprocessing(CONFIG, Normalisation(), source.train, 3)

    pixels = np.stack([Geometry.of(CONFIG).pixels(source.train.read(n), 3) for n in range(11)])
    np.testing.assert_allclose(measured.normaliser.mean, pixels.mean((0, 1, 2)) / 255, rtol=1e-12)
    spoil(source, "train", *range(11))
    assert fit_preprocessing(CONFIG, given, source.train, 3).normaliser.mean.tolist() == [0.5] * 3


def test_measuring_names_the_right_file_beside_broken_ones_and_says_if_all_are(source):
    config = Preparation(bad_samples=0.5)
    spoil(source, "train", 0)
    odd = os.path.join(source.train.reader.root, source.train.place(3))
    with open(odd, "wb") as stream:
        stream.write(picture(1, size=(41, 32)))

    with pytest.raises(DataError, match=r"train/a/003\.jpg: 41x32 pixels, the others 40x32"):
        fit_preprocessing(config, Normalisation(), source.train, 3)
    spoil(source, "train", *range(11))
    with pytest.raises(
        DataError, match=r"all 11 images that are to be measured are broken; the last: train/b"
    ):
        fit_preprocessing(config, Normalisation(), source.train, 3)


def test_the_clock_counts_waiting_alone(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("resnetlab.data.batches.loaded.time.perf_counter", lambda: now[0])
    clock = WaitClock(CPU)
    for waiting, working in ((1.0, 5.0), (0.5, 2.0)):
        clock.start()
        now[0] += waiting
        clock.stop()
        now[0] += working

    assert clock.seconds == 1.5


def test_a_gpu_gets_more_workers_than_a_cpu_that_trains():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    assert count_workers(-1, CPU) == min(cores // 4, 16)
    assert count_workers(-1, torch.device("cuda")) == min(cores, 16)
    assert count_workers(3, CPU) == 3


@pytest.mark.parametrize(
    ("wanted", "cores", "local_size", "on_cpu", "on_cuda"),
    [
        (-1, 2, 2, 0, 1),
        (-1, 32, 2, 4, 16),
        (-1, 8, 4, 1, 2),
        (-1, 64, 8, 2, 8),
        (-1, 256, 8, 2, 16),
        (8, 4, 3, 2, 2),
        (3, 4, 4, 1, 1),
        (0, 64, 8, 0, 0),
    ],
)
def test_the_workers_of_a_machine_are_shared_out_over_its_processes(
    wanted, cores, local_size, on_cpu, on_cuda, monkeypatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)

    assert count_workers(wanted, CPU, local_size) == on_cpu
    assert count_workers(wanted, torch.device("cuda"), local_size) == on_cuda
