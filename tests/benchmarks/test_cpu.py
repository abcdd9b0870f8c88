"""benchmarks/cpu.py: its peers are the same networks, all its programs make steps, it says what it saw."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab import create_model
from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.errors import WriteError
from resnetlab.native import building
from resnetlab.training.step.device import leaving_as_found

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmarks
CELL = "training/resnet20/fp32"
Cpu = Callable[..., str]


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """And kernels are kept nowhere else than in the test's folder."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    yield


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cpu:
    """What the command prints."""

    def call(*arguments: str) -> str:
        import cpu

        monkeypatch.setattr(sys, "argv", ["cpu.py", *arguments])
        cpu.main()
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize("number", range(5))
def test_the_peers_network_is_ours(number: int) -> None:
    from cpu_cells import TRAINED
    from plain_network import plain_network

    network = TRAINED[number]
    ours = create_model(resolve_model(network.model, split_settings([*network.knobs])[1]), seed=0)
    peers = plain_network(network.plain, network.classes)

    peers.load_state_dict(ours.state_dict())

    images = torch.randn(4, 3, network.side, network.side)
    assert sum(p.numel() for p in peers.parameters()) == sum(p.numel() for p in ours.parameters())
    for mode in (True, False):  # by the batch's statistics, then by those that it left
        expected, found = ours.train(mode)(images), peers.train(mode)(images)
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_each_program_of_each_cell_makes_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Batches of 2, small pictures and nothing compiled but our kernels for ResNet-20."""
    import cpu
    import cpu_cells

    monkeypatch.setattr(sys, "argv", ["cpu.py"])
    setup, seen = cpu.Setup(cpu.parse(), tmp_path), set()
    with leaving_as_found():
        for whole in cpu_cells.CELLS:
            network = replace(whole.network, side=min(whole.network.side, 64))
            if network.side != whole.network.side:
                network = replace(network, knobs=("input_size=64",))
            cell = replace(whole, network=network, batch=2)
            setup.write_onnx(cell)
            for one in setup.contestants(cell):
                compiles = {"--compile", "compile=on", "inductor"} & {*one.command}
                is_known = network.model != "resnet20" or not building.compiler_here()
                if compiles or cpu_cells.missing(sys.executable, one.needs):
                    continue
                if {"compile=native", "native"} & {*one.command} and (is_known or cell.precision == "bf16"):
                    continue
                script = __import__(Path(one.command[0]).stem)
                monkeypatch.setattr(sys, "argv", [*one.command, "--steps", "2"])
                script.main()
                before, *counts = capsys.readouterr().out.split("\n")[:-1]
                assert before.startswith("before "), one
                assert sum(map(int, counts)) == 4, one
                seen.add((whole.key, one.name))

    assert {key for key, _ in seen} == {cell.key for cell in cpu_cells.CELLS}
    assert {name for _, name in seen} >= {"ours, eager", "torch NCHW", "torch channels_last", "onnxruntime"}


def test_ours_stands_beside_peers_and_what_is_wrong_with_one_costs_the_others_nothing(
    tmp_path: Path, cpu: Cpu
) -> None:
    """Real processes: ours, a loop of torch's, a command that is quick, and one that ends."""
    out = tmp_path / "cpu.json"
    quick = "sh -c 'while :; do echo 40; sleep .02; done'"
    options = [
        "--only",
        CELL,
        "--json",
        str(out),
        "--programs",
        "ours, eager",
        "torch channels_last",
        "q*",
        "b*",
    ]
    options += ["--peer", f"quick@{CELL}={quick}", "--peer", f"broken@{CELL}=ls /nowhere"]

    told = cpu(*options, "--rounds", "2", "--seconds", "0.1", "--warmup", "1", "--settle", "0")

    found = {one["program"]: one for one in json.loads(out.read_bytes())["cells"][CELL]["programs"]}
    assert [len(found[name]["rates"]) for name in ("ours, eager", "torch channels_last", "quick")] == [
        2,
        1,
        2,
    ]
    assert found["broken"]["problem"].startswith("ended with ") and "/nowhere" in found["broken"]["problem"]
    ours, peers = found["ours, eager"], found["torch channels_last"]
    assert min(ours["rates"] + peers["rates"]) > 10
    assert ours["first_seconds"] > 0.5 and peers["first_seconds"] > 0.5
    if sys.platform == "linux":  # maps of 128 images, 97 MB, are kept in a step at the least
        assert 1e8 < ours["step_bytes"] < ours["peak_bytes"] < 4e9 and 1e8 < peers["step_bytes"] < 4e9
    row = next(line for line in told.splitlines() if line.startswith("| ResNet-20, fp32"))
    ratio = sum(ours["rates"]) / sum(found["quick"]["rates"])
    assert row.split(" | ")[-1].startswith(f"{ratio:.2f} (")
    assert "- broken: ended with" in told and "--only training/resnet20/fp32" in told

    again = cpu(*options, "--continue")  # has nothing to do

    assert [line for line in again.splitlines() if line.startswith("| ResNet-20")] == [
        line for line in told.splitlines() if line.startswith("| ResNet-20")
    ]
    with pytest.raises(SystemExit, match="--continue adds"):
        cpu(*options)
    content = json.loads(out.read_bytes())
    assert f"torch {content['machine']['torch']}" in content["machine"]["peers"]
    whole = content["machine"] | {"peers": ["onnxruntime 1.0"]}
    out.write_text(json.dumps(content | {"machine": whole}))
    cpu(*options, "--continue")  # all are there: they are printed
    with pytest.raises(SystemExit, match=r"other programs: peers \['onnxruntime 1.0'\] and \['torch"):
        cpu(*options, "--only", "training/resnet56/fp32", "--continue")
    by_others = [each | {"instructions": "AMX-2"} for each in content["machine"]["kernels"]]
    out.write_text(json.dumps(content | {"machine": content["machine"] | {"kernels": by_others}}))
    with pytest.raises(SystemExit, match=r"other programs: kernels .*'AMX-2'.* and "):
        cpu(*options, "--only", "training/resnet56/fp32", "--continue")
    content["machine"]["torch"] = "1.0"
    out.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r"measured elsewhere: torch 1\.0 and"):
        cpu(*options, "--continue")


def test_a_place_that_cannot_be_written_is_refused_before_an_hour_is_spent(cpu: Cpu, tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="could not write"):
        cpu("--only", CELL, "--programs", "ours, eager", "--json", str(tmp_path / "nosuch/cpu.json"))


def test_a_turn_has_whole_steps_and_between_turns_a_program_stands_still() -> None:
    from turns import Program, ending

    step = "import time\nwhile True:\n    time.sleep(.15)\n    print(30, flush=True)"
    programs = [Program("steps", [sys.executable, "-c", step])]
    with ending(programs):
        (program,) = programs
        program.warm_up(1)
        images = program._images
        program.take_turn(0.2)
        done = program._images - images
        time.sleep(0.5)
        stands = program._images
        program.take_turn(0.2)

    assert done in (30, 60) and stands - images == done
    assert all(0 < rate < 300 for rate in program.rates)  # 200 a second, and less where the machine is busy


def test_what_is_asked_for_and_cannot_be_is_said(cpu: Cpu) -> None:
    with pytest.raises(SystemExit, match="no cell is 'resnet21'"):
        cpu("--only", "resnet21")
    with pytest.raises(SystemExit, match="does the same in each cell"):
        cpu("--list", "--peer", "tf=python steps.py {network}")
    with pytest.raises(SystemExit, match="wanted is NAME=COMMAND"):
        cpu("--list", "--peer", "python steps.py")


def test_a_peer_that_is_missing_is_told_with_what_to_install(cpu: Cpu) -> None:
    told = cpu(
        "--list",
        "--only",
        "resnet50/batch16/bf16",
        "--peer",
        "tf=run {network} {batch} {precision}",
    )

    assert [line for line in told.splitlines() if line[0] != " "] == ["inference/resnet50/batch16/bf16"]
    listed = dict(line.strip().split(": ", 1) for line in told.splitlines() if line.startswith("    "))
    assert listed["tf"] == "run resnet50 16 bf16"
    assert shlex.split(listed["torch NCHW"])[0] == sys.executable
    assert listed["timm"].startswith("not installed: python -m pip install timm"), "never in ours"


def test_the_table_of_convolutions_has_all_three_products_of_all_programs(
    monkeypatch: pytest.MonkeyPatch, cpu: Cpu, tmp_path: Path
) -> None:
    import cpu_convolutions

    monkeypatch.setattr(cpu_convolutions, "SHAPES", ((16, 16),))
    monkeypatch.setattr(cpu_convolutions, "BATCH", 4)

    told = cpu(
        "--cells", "convolutions", "--rounds", "1", "--seconds", "0.5", "--json", str(tmp_path / "c.json")
    )

    rows: list[dict[str, Any]] = json.loads((tmp_path / "c.json").read_bytes())["convolutions"]["rows"]
    assert {(row["precision"], row["program"]) for row in rows} >= {
        ("fp32", "torch NCHW"),
        ("bf16", "torch NHWC"),
    }
    if building.compiler_here() and building.suits_processor():
        assert ("fp32", "ours, native") in {(row["precision"], row["program"]) for row in rows}
    for row in rows:
        if row["program"] != "ours, native" or row["precision"] == "fp32":
            assert row["forward"] > 0 and row["by_weights"] > 0, row
    assert told.count("| 16 channels, 16x16 |") == len(rows)
    assert " % of the cores meanwhile" in told and "images/s" not in told
