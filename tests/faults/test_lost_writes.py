"""T04 of the fault list: power cuts after any operation, on disks that keep only what was waited for."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resnetlab.runs.checkpoint import load_newest
from tests.kit.audited import told as broken
from tests.kit.disks import Disk, Operation
from tests.kit.lost_writes import Replay, Tree, held, losses, put
from tests.kit.rounds import ROUNDS, drawn
from tests.kit.small_jobs import do_job, go_on_with_job, job_bytes, litter, said_to_be_saved

pytestmark = pytest.mark.processes


class Recorded:
    """The job, undisturbed, and all that it did to the disk."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "run"
        with Disk(root) as disk:
            do_job(self.out)
        self.operations, self.expected = disk.operations, job_bytes(self.out)

    def cuts(
        self, rng: random.Random, ignores: Callable[[Operation], bool] = lambda operation: False
    ) -> Iterator[tuple[str, int, Tree]]:
        """Yield what may lie there after a cut: in words, the step that was said to be saved, and the tree.

        No tree comes twice with the same step.
        """
        replay, saved, seen = Replay(self.root, ignores), 0, set()
        for number, operation in enumerate(self.operations):
            replay.do(operation)
            saved = max(saved, said_to_be_saved([operation]))
            for name, loss in losses(rng).items():
                tree = replay.after(loss)
                if (key := hash((saved, tuple(tree.items())))) not in seen:
                    seen.add(key)
                    yield f"{name} lost after operation {number}, {operation}", saved, tree


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In memory, if pytest's folders lie there: no process is killed here."""
    return tmp_path_factory.mktemp("cuts")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("recorded"))


def newest_in(folder: Path) -> int:
    newest, _ = load_newest(folder / "run" / "checkpoints")
    return newest.step if newest else 0


def test_what_was_seen_is_what_lies_there(recorded: Recorded) -> None:
    replay = Replay(recorded.root)
    for operation in recorded.operations:
        replay.do(operation)

    assert replay.after((lambda: "now", lambda: "now")) == held(recorded.root)
    kept = replay.after((lambda: "kept", lambda: "kept"))
    lost = {path for path, content in held(recorded.root).items() if kept.get(path, b"?") != content}
    assert lost <= {"run/lock", "run/events.jsonl"} | {path for path in lost if "tensorboard" in path}


def test_after_a_power_cut_at_any_operation_what_was_saved_is_there(
    recorded: Recorded, tmp_path: Path
) -> None:
    seen = set()
    for told, saved, tree in recorded.cuts(drawn()):
        checkpoints = {path: content for path, content in tree.items() if "checkpoints" in path}
        if (key := hash((saved, *checkpoints.items()))) not in seen:
            seen.add(key)
            folder = tmp_path / str(len(seen))
            put({"run": None, **checkpoints}, folder)
            assert newest_in(folder) >= saved, told

    print(f"{len(seen)} trees")
    assert len(seen) > 50


def check_resumes(recorded: Recorded, cuts: list[tuple[str, int, Tree]], tmp_path: Path) -> None:
    for number, (told, _, tree) in enumerate(cuts):
        put(tree, tmp_path / f"cut{number}")
        out = tmp_path / f"cut{number}" / "run"

        result = go_on_with_job(out)

        assert result.step == 4 and (out / "RESULT.json").exists(), told
        assert job_bytes(out) == recorded.expected, told
        assert litter(out) == [], told
        assert broken(out) == [], told


def test_after_a_power_cut_a_run_goes_on_to_the_same_bytes(recorded: Recorded, tmp_path: Path) -> None:
    rng = drawn()
    cuts = list(recorded.cuts(rng))

    check_resumes(recorded, rng.sample(cuts, min(len(cuts), 10 * ROUNDS)), tmp_path)


@pytest.mark.faults
def test_after_every_power_cut_a_run_goes_on_to_the_same_bytes(recorded: Recorded, tmp_path: Path) -> None:
    for _ in range(ROUNDS):
        check_resumes(recorded, list(recorded.cuts(drawn())), tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "MANIFEST.json", "metrics.jsonl", "checkpoints"])
def test_where_one_kind_of_flush_is_left_out_something_is_lost(
    name: str, recorded: Recorded, tmp_path: Path
) -> None:
    """So the power cuts above are ones that could be noticed; it is also what a disk does that lies."""
    cuts = recorded.cuts(random.Random(0), ignores=lambda operation: operation.path.endswith(f"/{name}"))

    def is_lost(number: int, saved: int, tree: Tree) -> bool:
        folder = tmp_path / str(number)
        put(tree, folder)
        metrics = tree.get("run/metrics.jsonl") or b""
        return newest_in(folder) < saved or metrics.count(b"\n") < saved

    assert any(is_lost(number, saved, tree) for number, (_, saved, tree) in enumerate(cuts))
