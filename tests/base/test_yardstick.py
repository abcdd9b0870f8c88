"""What a machine can do at its best: the fastest that was seen, and never what a loaded machine gave."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.base.machine.processor import abilities, abilities_in_words
from resnetlab.base.machine.yardstick import Peak, Work, peak_of, raise_peak, torch_works

CPU = torch.device("cpu")
OPERATIONS = 1e6


class Machine:
    """One whose works take as long as is said."""

    def __init__(self) -> None:
        self.seconds = {"a product": 4e-3, "a convolution": 1e-3}

    def work(self, name: str) -> Work:
        return Work(name, (1,), lambda size: (OPERATIONS, lambda: time.sleep(self.seconds[name])))

    @property
    def asked(self) -> tuple[torch.device, torch.dtype, list[Work]]:
        return CPU, torch.float32, [self.work(name) for name in self.seconds]

    def peak(self, **more: Any) -> Peak:
        return peak_of(*self.asked, **more)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    return Machine()


def test_the_fastest_of_the_works_is_the_yardstick_and_is_kept(machine: Machine) -> None:
    first, again = machine.peak(), machine.peak()

    assert (first.by, again.by, again.rate) == ("a convolution", "a convolution", first.rate)
    assert 0.3 * OPERATIONS / 1e-3 < first.rate <= OPERATIONS / 1e-3
    assert not first.is_busy


def test_a_rate_of_a_loaded_machine_is_replaced_when_it_is_seen_to_be_faster(machine: Machine) -> None:
    machine.seconds["a convolution"] = 20e-3
    loaded = machine.peak()
    machine.seconds["a convolution"] = machine.seconds["a product"] = 1e-3
    healed = machine.peak()

    assert loaded.by == "a product"
    assert healed.rate > 2 * loaded.rate
    assert machine.peak(looks=False).rate == healed.rate


def test_a_machine_that_is_busy_now_keeps_its_best_and_says_so(machine: Machine) -> None:
    best = machine.peak()
    machine.seconds["a convolution"] = 8e-3

    busy = machine.peak()

    assert (busy.rate, busy.is_busy) == (best.rate, True)
    assert busy.now < best.rate / 4
    assert machine.peak(anew=True).rate < best.rate / 2  # that of the product


def test_only_a_faster_workload_raises_it(machine: Machine) -> None:
    rate = machine.peak().rate
    raise_peak(*machine.asked, rate=rate / 2, by="a slow one")
    assert machine.peak(looks=False).by == "a convolution"

    raise_peak(*machine.asked, rate=2 * rate, by="a fast one")
    raise_peak(*machine.asked, rate=1.5 * rate, by="one between")

    assert machine.peak(looks=False) == Peak(2 * rate, "a fast one", 0.0, 0.0)


@pytest.mark.parametrize(
    "answer",
    [7, [], {}, {"works": {}, "seen": None}, {"works": {"a product": [0, 1]}, "seen": None},
     {"works": {"another": [1, 1]}, "seen": None}, {"works": {"a product": [1e9, 1]}, "seen": {"rate": 3}}],
)  # fmt: skip
def test_an_answer_of_another_form_is_measured_again(machine: Machine, tmp_path: Path, answer: Any) -> None:
    first = machine.peak()
    (path,) = (tmp_path / "measured/rate").iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"answer": answer}))

    assert machine.peak().by == first.by


def test_works_that_a_device_cannot_do_are_left_out(machine: Machine) -> None:
    def refuse(size: int) -> tuple[float, Callable[[], object]]:
        raise RuntimeError("not implemented for 'Half'")

    no = Work("none", (1,), refuse)
    assert peak_of(CPU, torch.float16, [no, machine.work("a product")]).by == "a product"
    with pytest.raises(RuntimeError, match="not implemented for 'Half'"):
        peak_of(CPU, torch.float16, [no])


def test_a_work_grows_only_until_it_can_be_timed(machine: Machine) -> None:
    """One of 2,048 rows is 17 billion operations; a slow processor's rate is told by fewer."""
    made: list[int] = []

    def of_size(size: int) -> tuple[float, Callable[[], object]]:
        made.append(size)
        return OPERATIONS * size, lambda: time.sleep(1e-3 * size)

    peak_of(CPU, torch.float32, [Work("growing", (1, 4, 16, 64, 256), of_size)])

    assert set(made) == {1, 4, 16}


def test_torchs_convolutions_and_product_compute_what_is_counted() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    for work in torch_works(CPU, torch.float32):
        operations, call = work.of_size(work.sizes[0])
        with FlopCounterMode(display=False) as counter:
            call()
        assert counter.get_total_flops() == operations, work.name


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_vnni", "AVX2, AVX-512, bf16, VNNI; no AMX"),
        ("model name : x\nflags : sse avx2 avx_vnni\n\nflags : sse", "AVX2, VNNI; no AVX-512, bf16, AMX"),
        ("Features\t: fp asimd bf16", "NEON, bf16; no SVE, i8mm"),
    ],
)
def test_what_a_processor_has_is_read_from_what_linux_tells(told: str, words: str) -> None:
    assert abilities_in_words(abilities(told)) == words
    assert abilities("processor : 0") is None
