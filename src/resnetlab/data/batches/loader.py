"""Worker processes that read, decode and prepare images, a batch at a time, in the order of the steps.

What a batch holds depends on its request alone, so that neither the number of workers nor where a run
was interrupted can matter. torch's DataLoader moves requests and batches between the processes.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.multiprocessing
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from resnetlab.base.machine.signals import ENDING_SIGNALS
from resnetlab.base.units import format_bytes
from resnetlab.data.batches.preparation import TrainingPreparation
from resnetlab.data.batches.preprocessing import Preprocessing, refuse_other_size
from resnetlab.data.batches.waiting import Patience, Watch
from resnetlab.data.images.geometry import Pixels, Size
from resnetlab.data.images.views import pack
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.errors import DataError, OutOfMemory
from resnetlab.evaluation.views import Views

Integers = npt.NDArray[np.int64]
PREFETCHED = 2  # batches per worker
SHARED_MEMORY = "/dev/shm"
_LOOK_SECONDS = 1.0


class Request(NamedTuple):
    """What a batch shall be."""

    samples: Integers
    """Shape (N,): numbers in the split."""

    epochs: Integers
    """Shape (N,): in which epoch each is read."""

    side: int
    """Of the images in pixels; 0 takes the files as they are."""


class Bad(NamedTuple):
    """An image that could not be read."""

    sample: int
    problem: str


class Loaded(NamedTuple):
    """What a request became."""

    images: Tensor
    """Uint8, shape (N, H, W, C), or as they were joined."""

    samples: Tensor
    """Int64, shape (N,): those asked for, or what stands for broken ones, or less the broken ones."""

    epochs: Tensor
    """Int64, shape (N,)."""

    bad: list[Bad]

    refusal: DataError | OutOfMemory | None = None
    """Why the batch could not be made; None if it was."""


class Prepared(Protocol):
    """Makes an image of a file; it pickles."""

    def __call__(self, split: EncodedSplit, sample: int, epoch: int, side: int) -> Pixels:
        """Return the image as it goes into a batch."""


@dataclass(frozen=True)
class ForTraining:
    """Random crops and policies; images that are not resized must have `size`."""

    preparation: TrainingPreparation
    size: Size

    def __call__(self, split: EncodedSplit, sample: int, epoch: int, side: int) -> Pixels:
        """Return the training image."""
        image = split.read(sample)
        pixels = self.preparation.pixels(image, epoch=epoch, sample=sample, side=side)
        if not side:
            refuse_other_size(image.place, pixels, self.size)
        return pixels


@dataclass(frozen=True)
class ForEvaluation:
    """The recorded preprocessing; images that are not resized must have `size`."""

    preprocessing: Preprocessing
    size: Size

    def __call__(self, split: EncodedSplit, sample: int, epoch: int, side: int) -> Pixels:
        """Return the image as evaluation sees it."""
        image = split.read(sample)
        pixels = self.preprocessing.pixels(image)
        if not side:
            refuse_other_size(image.place, pixels, self.size)
        return pixels


@dataclass(frozen=True)
class ForViews:
    """The views of an image that an evaluation averages over, packed (`images.views.unpack`)."""

    preprocessing: Preprocessing
    views: Views

    def __call__(self, split: EncodedSplit, sample: int, epoch: int, side: int) -> Pixels:
        """Return the image's views, packed."""
        return pack(self.preprocessing.views(split.read(sample), self.views))


@dataclass(frozen=True)
class Images(Dataset[Loaded]):
    """The batches of a split, by request. It pickles, for the workers."""

    split: EncodedSplit
    prepared: Prepared
    skips: bool
    """Whether broken images are left out; else the first refuses its batch."""
    replaces: bool = False
    """Whether the next sample that is whole stands for a broken one."""
    share: float = 1.0
    """Of the split that may be broken: a batch that comes upon more is given up, with what is broken.
    Else, when the whole source is gone, each of its samples would try every other one."""
    joined: Callable[[Sequence[Pixels]], Pixels] = np.stack
    """Puts what was made of a batch's files together."""

    def __getitem__(self, request: Request) -> Loaded:
        """Read, decode and prepare the images of a batch; each broken one is tried once."""
        pixels: list[Pixels] = []
        samples: list[int] = []
        broken: dict[int, str] = {}
        epochs = []
        for sample, epoch in zip(request.samples.tolist(), request.epochs.tolist(), strict=True):
            for chosen in self._candidates(sample):
                if chosen in broken:
                    continue
                try:
                    pixels.append(self.prepared(self.split, chosen, epoch, request.side))
                except DataError as error:
                    if not self.skips:
                        return _refused(error)
                    broken[chosen] = str(error)
                    if len(broken) > self.share * len(self.split):
                        return _nothing(broken)
                else:
                    samples.append(chosen)
                    epochs.append(epoch)
                    break
        if not pixels:
            return _nothing(broken)
        bad = [Bad(*each) for each in broken.items()]
        return Loaded(torch.from_numpy(self.joined(pixels)), torch.tensor(samples), torch.tensor(epochs), bad)

    def _candidates(self, sample: int) -> Iterator[int]:
        """Yield the sample, and those that may stand for it if it is broken."""
        size = len(self.split)
        return ((sample + distance) % size for distance in range(size if self.replaces else 1))


def _nothing(broken: dict[int, str]) -> Loaded:
    empty = torch.empty(0, dtype=torch.int64)
    return Loaded(empty, empty, empty, [Bad(*each) for each in broken.items()])


def _refused(error: DataError) -> Loaded:
    hint = error.hint or "`resnetlab data check` lists them all; --bad-samples 1% leaves out up to so many."
    return _nothing({})._replace(refusal=DataError(str(error.args[0]), hint=hint))


@dataclass(frozen=True)
class _Sent(Dataset[Loaded]):
    """Batches that lie in shared memory when they leave a worker.

    torch would put them there in a thread of its queue, where one that finds no room is lost and
    waited for.
    """

    images: Images

    def __getitem__(self, request: Request) -> Loaded:
        loaded = self.images[request]
        try:
            for tensor in (loaded.images, loaded.samples, loaded.epochs):
                tensor.share_memory_()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            return _nothing({})._replace(refusal=no_room(loaded.images.nbytes, str(error)))
        return loaded


def no_room(size: int, told: str) -> OutOfMemory:
    """Return the error of shared memory in which a batch of so many bytes has no room."""
    free = shared_memory()
    have = f"; {format_bytes(free)} are free in {SHARED_MEMORY}" if free is not None else f": {told}"
    return OutOfMemory(
        f"no room in shared memory for a batch of {format_bytes(size)}{have}",
        hint="Fewer --workers need less, and 0 none. A container gets more by `docker run --shm-size=2g` "
        "or --ipc=host.",
    )


def shared_memory() -> int | None:
    """Return the free bytes of the shared memory that batches come through; None where it has no bound."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free if sys.platform == "linux" else None
    except OSError:
        return None


def shared_bytes(workers: int, batch: int, size: Size, channels: int) -> int:
    """Return the most bytes that the batches of so many images, read ahead, take in shared memory."""
    height, width = size
    return (workers * PREFETCHED + 1) * batch * height * width * channels if workers else 0


def load(
    images: Images,
    requests: Iterable[Request],
    *,
    workers: int,
    pins: bool,
    patience: Patience | None = None,
) -> Iterator[Loaded]:
    """Yield a batch for each request, in their order, from worker processes that read ahead.

    Args:
        images: The split and what becomes of its images.
        requests: Taken from here as the workers get free.
        workers: Processes; 0 reads in this one.
        pins: Whether the batches shall lie in pinned memory, for copies to CUDA.
        patience: How long to wait for the workers.

    Raises:
        DataError: If an image cannot be read, naming its place; if a worker dies or was stopped, or
            no batch comes for too long.
        OutOfMemory: If the shared memory has no room for a batch.
    """
    batches = _begun(images, requests, workers, pins)
    with Watch(getattr(batches, "_workers", ()), patience or Patience()) as watch:
        while True:
            try:
                with watch.waiting():
                    batch = _next(batches)
            except (RuntimeError, OSError, EOFError) as error:
                if not watch.reason and not watch.has_dead():
                    raise
                raise _ended(error, watch) from error
            if batch is None:
                return
            if batch.refusal:
                raise batch.refusal
            yield batch


def _next(batches: Iterator[Loaded]) -> Loaded | None:
    """Return the next batch, None at the end; looks once a second whether the workers live."""
    while True:
        try:
            return next(batches, None)
        except RuntimeError as error:
            if "DataLoader timed out" not in str(error):
                raise


def _ended(error: BaseException, watch: Watch) -> DataError:
    if watch.reason:
        return DataError(
            f"the processes that load images were given up: {watch.reason}",
            hint="--workers 0 reads in the process that trains; a disk that does not answer hangs there too.",
        )
    return DataError(
        f"a process that loads images ended: {str(error).splitlines()[0] if str(error) else 'killed'}",
        hint="Often it was memory: try fewer --workers, or 0.",
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def _begun(images: Images, requests: Iterable[Request], workers: int, pins: bool) -> Iterator[Loaded]:
    with _BEGINNING, warnings.catch_warnings(), _main_set_aside(), _working_directory_left_out():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more than cores may be meant
        loader: DataLoader[Loaded] = DataLoader(
            _Sent(images) if workers else images,
            batch_size=None,
            sampler=requests,
            num_workers=workers,
            timeout=_LOOK_SECONDS if workers else 0,
            collate_fn=_as_it_is,
            pin_memory=pins,
            generator=torch.Generator(),  # else it would take a number from torch's own
            multiprocessing_context=process_context() if workers else None,
            prefetch_factor=PREFETCHED if workers else None,
            worker_init_fn=_begin_worker,
        )
        return iter(loader)


_BEGINNING = threading.Lock()  # of runs in threads, the second would set aside what the first has


@contextlib.contextmanager
def _main_set_aside() -> Iterator[None]:
    """Keep the script that is running from the workers that start inside.

    multiprocessing would run it again in each of them, to find its functions there. The workers need
    none, and a script without `if __name__ == "__main__":` would train again in each.
    """
    main = vars(sys.modules["__main__"])
    kept = {name: value for name, value in main.items() if name in ("__file__", "__spec__")}
    main.pop("__file__", None)
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(kept)


@contextlib.contextmanager
def _working_directory_left_out() -> Iterator[None]:
    """Keep the working directory from what processes that start inside import before they are told a path.

    Python would look there first, run a file `random.py` or `socket.py` that lies there, and end with it.
    """
    name = "PYTHONSAFEPATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _begin_worker(number: int) -> None:
    for number in ENDING_SIGNALS:  # who trains answers them
        signal.signal(number, signal.SIG_IGN)
    trainer = multiprocessing.parent_process()
    assert trainer is not None
    threading.Thread(target=_end_with, args=(trainer,), daemon=True).start()


def _end_with(trainer: BaseProcess) -> None:
    """Leave when the process that trains is gone, killed perhaps.

    torch's own watch looks at the parent's number, which is the fork server's; and that one stays as
    long as its workers do.
    """
    trainer.join()
    os._exit(1)


def process_context() -> BaseContext:
    """Return how workers are started.

    Never by fork, which copies the locks of torch's threads and CUDA's state. On Linux by a fork
    server that has torch loaded once, so that a worker starts in milliseconds instead of seconds and
    shares that memory; elsewhere by spawn.
    """
    if sys.platform != "linux":
        return torch.multiprocessing.get_context("spawn")
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resnetlab.data.batches.loader"])
    return context


def count_workers(wanted: int, device: torch.device, local_size: int = 1) -> int:
    """Return the number of worker processes of one of the processes that make a run on this machine.

    They share `wanted` among them, and have at least one each if that is not 0.

    Args:
        wanted: For all of them; -1 asks for what suits the machine: for GPUs one per core, and no more than
            16 each; on the CPU, whose cores are training, a quarter of the cores, and no more than 16.
        device: What the process trains on.
        local_size: How many there are.
    """
    if wanted < 0:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        wanted = min(cores // 4, 16) if device.type == "cpu" else min(cores, 16 * local_size)
    return max(wanted // local_size, min(wanted, 1))
