"""How steps are made is chosen once, by trying, and kept; short runs and given values are left alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.base.plaindata import to_plain
from resnetlab.cli import main
from resnetlab.errors import DivergedError, ResnetlabError, UsageError
from resnetlab.forecast.here import Measured
from resnetlab.network.catalog import model_spec
from resnetlab.parallel.world import ALONE
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.journal import read_rows
from resnetlab.training.choosing.choosing import choose
from resnetlab.training.choosing.parity import Failure, failure
from resnetlab.training.choosing.trying import is_lasting
from resnetlab.training.choosing.ways import Prospect, is_worth_trying, ways_of
from resnetlab.training.measured.together import measure_together
from resnetlab.training.planning import (
    RunPlan,
    differences_from_records,
    plan_from_records,
    source_record,
)
from resnetlab.training.recorded.deciding import (
    KERNELS,
    decide,
    decide_precision,
    multiplies_bf16,
    obstacles_here,
)
from resnetlab.training.session import start
from tests.kit.chosen_steps import long_plan, one_unit, remember
from tests.kit.interrupted_runs import StopAt, interrupt
from tests.kit.small_runs import CPU, go_on, small_source
from tests.kit.worlds import results

QUICKEST_NATIVE_BF16 = (100.0, 150.0, 140.0, 190.0)
"""Images per second: eager in fp32 and bf16, native kernels in fp32 and bf16."""

QUICKEST_EAGER_BF16 = (100.0, 190.0, 140.0, 150.0)
"""The same where torch is the quickest, whose bf16 every processor can run."""


def kernels(plan: RunPlan) -> tuple[str, str]:
    execution = plan.recipe.execution
    return execution.compile, execution.precision


def tried(cache: Path) -> list[Path]:
    return [*cache.glob("measured/steps/*.json")]


@pytest.mark.usefixtures("own_processor")
def test_a_long_run_tries_its_own_steps_once_and_remembers_what_came_of_it(cache: Path) -> None:
    plan = long_plan()

    (first,) = choose([plan], ALONE)
    (kept,) = tried(cache)
    written = kept.stat().st_mtime_ns
    (second,) = choose([plan], ALONE)

    answer = {tuple(each["way"]): each for each in json.loads(kept.read_bytes())["answer"]}
    assert [*answer] == ways_of(Prospect.of(plan))
    assert all(each["rate"] > 0 and not each["refused"] for each in answer.values())
    best = max(answer.values(), key=lambda each: each["rate"])["rate"]
    compiled, precision = kernels(first)
    taken = answer[compiled.replace("on", "off"), precision]["rate"]  # the former is not tried
    assert taken > 0.85 * best  # what is not chosen saves less than a tenth
    assert (tried(cache), kept.stat().st_mtime_ns) == ([kept], written)
    assert second == first
    assert first.compile_reason and "too short" not in first.steps_text


def test_what_was_chosen_is_written_told_and_kept_when_the_run_goes_on(tmp_path: Path) -> None:
    plan = long_plan(checkpoint_every=2)
    remember(plan, QUICKEST_EAGER_BF16)
    (plan,) = choose([plan], ALONE)
    line = "eager in bf16 (1.9 times eager in fp32 here)"
    assert plan.steps_text == line

    observer = StopAt(2)
    with claim_new(tmp_path / "run"):
        interrupt(start(plan, RunDirectory(tmp_path / "run"), observer), observer)
    run = RunDirectory(tmp_path / "run")
    recorded = run.read("recipe")["execution"]
    remember(long_plan(seed=1, batch=4), (190.0, 100.0, 100.0, 100.0))
    trainer = go_on(run, small_source())
    trainer.close()

    assert (recorded["compile"], recorded["precision"]) == ("off", "bf16")
    assert [row["steps"] for row in read_rows(run.events) if row["event"] == "start"] == [line]
    assert trainer.recipe == plan.recipe


class Noting(StopAt):
    def __init__(self) -> None:
        super().__init__(1)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(("abilities", "is_told"), [("avx2", True), ("avx512_bf16", False)])
def test_a_run_in_bf16_that_the_processor_does_not_multiply_says_that_it_is_slow(
    abilities: str, is_told: bool, processor: Callable[[str], None], tmp_path: Path
) -> None:
    processor(abilities)
    observer = Noting()
    plan = long_plan(precision="bf16", compile="off")
    with claim_new(tmp_path / "run"):
        interrupt(start(plan, RunDirectory(tmp_path / "run"), observer), observer)

    why = "his processor does not multiply bf16, and makes it many times slower than fp32"
    assert [why in note for note in observer.notes] == [True] * is_told
    assert (why in plan.steps_text) == is_told


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"compile": "off", "precision": "fp32"}, ("off", "fp32")),
        ({"compile": "off"}, ("off", "bf16")),
        ({"precision": "fp32"}, ("native", "fp32")),
        ({"precision": "bf16"}, ("native", "bf16")),
        ({"compile": "native"}, ("native", "bf16")),
        ({"compile": "on"}, ("on", "bf16")),
    ],
)
def test_what_is_given_is_not_chosen(changes: dict[str, Any], left: tuple[str, str]) -> None:
    plan = long_plan(**changes)
    ways = ways_of(Prospect.of(plan))
    if plan.left_open:
        rates = {("off", "fp32"): 100.0, ("off", "bf16"): 150.0, ("native", "fp32"): 140.0}
        remember(plan, [rates.get(way, 190.0) for way in ways])

    assert kernels(choose([plan], ALONE)[0]) == left


def test_what_torch_compile_makes_in_is_chosen_by_eager_steps_and_that_is_said() -> None:
    plan = long_plan(compile="on")
    remember(plan, (100.0, 150.0))

    (chosen,) = choose([plan], ALONE)

    assert chosen.steps_text == (
        "torch.compile in bf16 (as asked; number format by eager steps: 1.5 times eager in fp32 here)"
    )


@pytest.mark.usefixtures("own_processor")
def test_what_one_of_several_hosts_cannot_compile_none_compiles(tmp_path: Path) -> None:
    if not multiplies_bf16():
        pytest.skip("there is one way alone where a processor does not multiply bf16")
    line = "eager in fp32 (eager in bf16 1 times as fast here)"

    assert results(2, "choose_without_a_compiler", str(tmp_path)) == [line, line]


def test_kernels_that_differ_among_hosts_are_refused_and_never_chosen(tmp_path: Path) -> None:
    """Here by the compiler's name; as of AMX, which one host has and another has not."""
    (first, second) = results(2, "differ_in_kernels", str(tmp_path))

    assert first == second
    kind, message, _, ways = first
    assert kind == "UsageError" and ways == []
    assert "the kernels' compiler is c++" in message and "RESNETLAB_AMX=off" in message


def test_a_short_run_tries_nothing_and_says_why(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of `make train` is one."""
    flags = [
        "--data",
        "digits",
        "--recipe",
        "digits",
        "--device",
        "cpu",
        "--set",
        "precision=auto",
        "--dry-run",
    ]

    assert main(["train", "resnet20", *flags, "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["steps"] == (
        "eager in fp32 (the run is too short to pay for other kernels; the run is too short to try bf16)"
    )
    assert told["recipe"]["precision"] == {"value": "fp32", "origin": "flag"}
    assert tried(cache) == []


def test_how_long_is_long_depends_on_threads_and_on_the_kernels_to_build() -> None:
    many = Prospect.of(long_plan())
    seconds = 6.0 * many.spec.num_multiply_adds(*many.size) / 1e11  # of one image, by one thread
    ways = ways_of(many)

    def long(seconds_of_run: float, threads: int = 1, sizes: int = 1) -> bool:
        samples = round(seconds_of_run / seconds)
        others = {(15, 100 + number): 0.0 for number in range(1, sizes)}
        return is_worth_trying(replace(many, samples=samples, sizes=many.sizes | others), ways, threads)

    assert [long(59), long(61), long(61, threads=2), long(125, threads=2)] == [False, True, False, True]
    assert [long(300, sizes=40), long(1200, sizes=40)] == [False, True]


def test_a_run_whose_images_are_smaller_for_a_while_is_as_long_as_their_operations() -> None:
    """Six tenths of its steps see a quarter of the pixels: 55 % of the time of full-sized ones."""
    usual, small = Prospect.of(long_plan()), Prospect.of(long_plan(shrink=0.5, shrink_until=0.6))

    assert small.size == usual.size == (16, 16)
    assert usual.largest_samples == usual.samples == small.samples
    assert small.largest_samples == pytest.approx(0.55 * usual.samples, rel=0.01)
    in_minutes = [Prospect.within(1, long_plan(shrink=share)).samples for share in (1.0, 0.5)]
    assert in_minutes[1] == pytest.approx(in_minutes[0] / 0.55, rel=0.01)
    of_four = Prospect.within(1, long_plan(), 4).samples
    assert of_four == pytest.approx(4 * in_minutes[0], rel=0.01), "each process has as many threads"


def test_images_that_native_kernels_cannot_pad_are_left_to_torch() -> None:
    found = Prospect.of(long_plan())
    halving = model_spec("resnet8").with_(padding="same")
    prospect = replace(found, spec=halving, sizes={(32, 32): 0.5, (32, 30): 0.5})

    ways = ways_of(prospect)

    assert ways and all(way.compile == "off" for way in ways)
    assert isinstance(is_worth_trying(prospect, ways, 2), bool)
    with pytest.raises(UsageError, match="pads rows and columns differently"):
        decide(
            prospect.spec, override(prospect.recipe, {"compile": "native"}), prospect.device,
            reads_files=False, operations=1e9, step_operations=1e6, sizes=prospect.sizes,
        )  # fmt: skip
    begun = override(prospect.recipe, {"compile": "native"})
    here = obstacles_here(prospect.spec, begun, CPU, reads_files=False, sizes=prospect.sizes)
    assert "pads rows and columns differently" in here["compile"]


def test_a_run_that_goes_on_with_images_that_native_kernels_cannot_pad_goes_on_without(
    tmp_path: Path,
) -> None:
    """As version by version they come to more."""
    spec = one_unit().with_(padding="same", strides=(2,))
    plan = long_plan(spec, compile="off")
    recipe = to_plain(override(plan.recipe, {"compile": "native"}))
    data = source_record(plan) | {"image_shape": [16, 15, 3]}

    again = plan_from_records(tmp_path, plan.spec.to_json(), recipe, data, plan.source, CPU)

    assert again.recipe.execution.compile == "off"
    assert "pads rows and columns differently" in again.compile_reason


def test_what_failed_is_no_answer_for_the_next_time() -> None:
    lasting = {"way": ["native", "fp32"], "rate": 0.0, "refused": "the loss is off", "failed": False}
    assert is_lasting([lasting])
    assert not is_lasting([lasting, lasting | {"failed": True}])
    assert isinstance(failure(ResnetlabError("g++ could not build a kernel")), Failure)
    assert not isinstance(failure(DivergedError("the loss is nan")), Failure)


def test_networks_that_are_compared_are_made_in_one_number_format() -> None:
    better, worse = long_plan(one_unit("a")), long_plan(one_unit("b"))
    remember(better, QUICKEST_NATIVE_BF16)
    remember(worse, (100.0, 0.0, 140.0, 0.0), refused="torch is wrong")

    plans = choose([better, worse], ALONE)

    assert [kernels(plan) for plan in plans] == [("native", "fp32")] * 2
    assert plans[0].compile_reason == "1.4 times eager in fp32 here; fp32 for the whole study, as b takes it"
    assert "eager in bf16 refused: torch is wrong" in plans[1].compile_reason


def test_on_a_processor_without_bf16_only_kernels_are_tried(processor: Callable[[str], None]) -> None:
    processor("fpu avx2")

    plan = long_plan()

    assert ways_of(Prospect.of(plan)) == [("off", "fp32"), ("native", "fp32")]
    assert plan.precision_reason == "this processor does not multiply bf16"


def test_on_cuda_the_capability_decides(card: Callable[[int, int], None]) -> None:
    cuda = torch.device("cuda")

    card(9, 0)
    assert decide_precision("auto", cuda) == ("bf16", "the GPU multiplies it faster")
    card(7, 5)
    assert decide_precision("auto", cuda) == ("fp32", "bf16 takes a GPU of capability 8.0, this one has 7.5")
    assert decide_precision("fp16", cuda) == ("fp16", "")


def test_a_run_that_was_begun_with_what_another_machine_chose_is_no_other_run() -> None:
    plan = long_plan()
    then = override(plan.recipe, {"precision": "bf16", "compile": "native"})
    records = plan.spec.to_json(), to_plain(then), source_record(plan)

    assert differences_from_records(plan, *records, "the run") == []
    given = replace(plan, left_open=frozenset())
    assert "precision" in differences_from_records(given, *records, "the run")[0]


@pytest.mark.parametrize("recorded", ["auto", None])
def test_a_record_that_does_not_say_the_precision_means_fp32(tmp_path: Path, recorded: str | None) -> None:
    plan = long_plan(compile="off", precision="fp32")
    recipe = to_plain(plan.recipe)
    recipe["execution"]["precision"] = recorded
    if recorded is None:
        del recipe["execution"]["precision"]
    records = plan.spec.to_json(), recipe, source_record(plan)

    again = plan_from_records(tmp_path, *records, plan.source, CPU)

    assert again.recipe.execution.precision == "fp32"


def test_all_processes_of_a_run_take_what_the_first_one_found(tmp_path: Path) -> None:
    line = "native kernels in fp32 (1.4 times eager in fp32 here)"

    assert results(2, "choose_steps", str(tmp_path)) == [line, line]


def test_a_forecast_of_this_machine_measures_what_would_be_chosen(cache: Path) -> None:
    plan = long_plan(precision="fp32")
    spec, recipe = plan.spec.with_(input_size=16), override(plan.recipe, {"compile": "auto"})

    def measured(in_all: int) -> Measured:
        return measure_together(
            spec, recipe, samples=8, processes=1, threads=1, device="cpu", num_bytes=8, seconds=0.05,
            in_all=in_all,
        )  # fmt: skip

    long, short = measured(2 * 10**7), measured(10**3)

    (kept,) = tried(cache)
    assert json.loads(kept.read_bytes())["asked"]["question"]["at_once"] == 8
    assert long.steps.startswith(f"{KERNELS[long.compile]} in fp32 (")
    assert "too short" not in long.steps
    assert short.steps == "eager in fp32 (the run is too short to pay for other kernels)"
