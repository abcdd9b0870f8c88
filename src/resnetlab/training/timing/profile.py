"""Some steps profiled: the share of each kind of work, the rate of each convolution, and a trace."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, record_function

from resnetlab.base.files import write_file
from resnetlab.base.machine.number_formats import NUMBER_FORMATS
from resnetlab.base.machine.yardstick import Peak
from resnetlab.errors import UsageError
from resnetlab.native.measured import watch
from resnetlab.native.measured.rating import seen_faster
from resnetlab.recipe.running import Execution
from resnetlab.training.timing.account import Account, account_of, rate_of
from resnetlab.training.timing.kinds import KINDS, PASSES, STEP

_SILENT = "99"
"""Level at which torch's profiler writes nothing on standard error of when it starts and stops."""


@dataclass(frozen=True)
class Profile:
    """What some steps took, by kind of work.

    Attributes:
        account: The seconds, of all these steps.
        precision: Of the convolutions.
        peak: The best rate that the machine was seen to compute at.
        unprofiled: The seconds of a step that nobody looks at; 0 if unknown.
    """

    account: Account
    precision: str
    peak: Peak
    unprofiled: float = 0.0

    @property
    def seconds(self) -> float:
        """Of a profiled step."""
        return sum(self.account.seconds.values()) / self.account.steps

    def share(self, kind: str) -> float:
        """Return the share of the time that a kind of work takes."""
        return self.account.seconds[kind] / self.account.steps / self.seconds

    def rate(self, what: str) -> float:
        """Return the operations per second of a pass, over all convolutions; 0 if there are none."""
        taken = [each[what] for each in self.account.convolutions.values() if what in each]
        return rate_of(sum(each.operations for each in taken), self.account.seconds[what])

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        steps = self.account.steps
        kinds = {
            kind: {
                "title": title,
                "milliseconds": 1e3 * self.account.seconds[kind] / steps,
                "share": self.share(kind),
                **(_rate_json(self.rate(kind), self.peak) if kind in PASSES else {}),
            }
            for kind, title in KINDS.items()
        }
        convolutions = [
            {
                "convolution": convolution.title,
                "passes": {
                    what: {
                        "a_step": taken.count / steps,
                        "milliseconds": 1e3 * taken.seconds / steps,
                        **_rate_json(taken.rate, self.peak),
                    }
                    for what, taken in passes.items()
                },
            }
            for convolution, passes in self.account.convolutions.items()
        ]
        return {
            "steps": steps,
            "precision": self.precision,
            "step_milliseconds": 1e3 * self.seconds,
            "unprofiled_step_milliseconds": 1e3 * self.unprofiled,
            "machine_gflops_per_second": self.peak.rate / 1e9,
            "machine_rate_by": self.peak.by,
            "kinds": kinds,
            "convolutions": convolutions,
        }


def _rate_json(rate: float, peak: Peak) -> dict[str, float]:
    return {"gflops_per_second": rate / 1e9, "share_of_machine": rate / peak.rate}


def refuse_unprofitable(device: torch.device, *, is_captured: bool) -> None:
    """Refuse what cannot be profiled.

    Raises:
        UsageError: If it is so.
    """
    if device.type != "cpu":
        raise UsageError(
            f"steps are profiled on CPUs, and this is {device.type}", hint="--device cpu takes the processor."
        )
    if is_captured:
        raise UsageError("a recorded step cannot be profiled", hint="Leave capture at auto.")


class Profiler:
    """Looks at steps, between `begin` and `end`."""

    def __init__(self) -> None:
        os.environ.setdefault("KINETO_LOG_LEVEL", _SILENT)
        self._torch: Any = torch.profiler.profile(activities=[ProfilerActivity.CPU], record_shapes=True)
        self._watching = contextlib.ExitStack()
        self._passes: list[watch.Pass] = []

    def begin(self) -> None:
        """Look from now on."""
        self._passes = self._watching.enter_context(watch.watching())
        self._torch.start()

    def end(self) -> None:
        """Look no more."""
        self._torch.stop()
        self._watching.close()

    @staticmethod
    @contextlib.contextmanager
    def a_step() -> Iterator[None]:
        """Make a step inside."""
        with record_function(STEP):
            yield

    def profile(self, execution: Execution, peak: Peak, unprofiled: float = 0.0) -> Profile:
        """Return what the steps took.

        Args:
            execution: How they were made.
            peak: The best rate seen on the machine; a convolution among them that was faster becomes it.
            unprofiled: The seconds of a step that nobody looks at, if that is known.
        """
        precision = execution.precision
        account = account_of(
            self._torch.events(),
            self._passes,
            dtype=NUMBER_FORMATS[precision],
            channels_last=execution.channels_last,
        )
        rate, by = account.fastest()
        if rate > peak.rate:
            peak = seen_faster(torch.device("cpu"), precision, rate=rate, by=by)
        account.keep_within(peak.rate)
        return Profile(account, precision, peak, unprofiled)

    def write_trace(self, path: Path) -> None:
        """Write all that was seen as a trace for Perfetto or chrome://tracing.

        Raises:
            WriteError: If it cannot be written.
        """
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place) / "trace.json"
            self._torch.export_chrome_trace(str(whole))
            trace = json.loads(whole.read_bytes())
        ranges = [
            event for event in trace["traceEvents"] if event.get("name") == watch.RANGE and "dur" in event
        ]
        ranges.sort(key=lambda event: float(event["ts"]))
        for event, made in zip(ranges, self._passes, strict=False):
            for timed in made.operations:
                shape = timed.convolution
                title = f" {shape.KERNEL}x{shape.KERNEL} {shape.IC}→{shape.OC}" if shape else ""
                trace["traceEvents"].append(
                    {
                        "ph": "X",
                        "cat": "cpu_op",
                        "name": KINDS[timed.what] + title,
                        "pid": event["pid"],
                        "tid": event["tid"],
                        "ts": float(event["ts"]) + 1e6 * timed.begin,
                        "dur": 1e6 * timed.seconds,
                    }
                )
        write_file(path, json.dumps(trace).encode())


def profile_steps(step: Callable[[int], object], indices: range) -> Profiler:
    """Make these steps, and return who has looked at them."""
    profiler = Profiler()
    profiler.begin()
    try:
        for index in indices:
            with profiler.a_step():
                step(index)
    finally:
        profiler.end()
    return profiler
