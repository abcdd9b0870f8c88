"""The command line as a user meets it: real files, exit codes, a real process where it is the point."""

import gc
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image

import resnetlab
from resnetlab.base.machine.yardstick import Peak
from resnetlab.cli import main
from resnetlab.cli.verbs.doctor import slowness, thread_problems
from resnetlab.runs.environment import EXTRAS, how_to_install
from resnetlab.runs.journal import read_rows
from tests.kit.commands import run
from tests.kit.pictures import write_pictures

ROOT = Path(__file__).parents[2]
SMALL = ("--set", "width=0.5", "--batch", "32", "--set", "compile=off")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A short finished run on the digits, and what `train --json` said of it."""
    out = tmp_path_factory.mktemp("cli") / "a run"
    done = run(
        "train", "resnet8", "--data", "digits", "--steps", "60", "--val", "100", "--set", "ema_decay=0.9",
        "--set", "histogram_every=30st", "--set", "eval_every=30st", "--out", str(out), *SMALL, "--json",
    )  # fmt: skip
    return out, json.loads(done.stdout)


def test_train_json_is_one_object_with_the_result(finished: tuple[Path, dict[str, object]]) -> None:
    out, result = finished

    assert result["step"] == 60
    assert result["seen"] == 359
    assert result["accuracy"] == result["correct"] / 359  # type: ignore[operator]
    assert result["best_val_step"] in (30, 60)
    assert json.loads((out / "RESULT.json").read_text()) == result


def test_the_run_directory_holds_what_design_md_says(finished: tuple[Path, dict[str, object]]) -> None:
    out, _ = finished

    names = {path.name for path in out.iterdir()}
    assert names >= {
        "recipe.json", "spec.json", "data.json", "environment.json", "metrics.jsonl", "events.jsonl",
        "tensorboard", "checkpoints", "lock", "RESULT.json",
    }  # fmt: skip
    assert {p.name for p in (out / "checkpoints" / "step-00000060").iterdir()} == {
        "model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json",
    }  # fmt: skip
    data = json.loads((out / "data.json").read_text())
    assert len(data["val_indices"]) == 100
    assert len(data["class_names"]) == 10
    events = [row["event"] for row in read_rows(out / "events.jsonl")]
    assert events[0] == "start"
    assert events[-1] == "end"
    begun = read_rows(out / "events.jsonl")[0]
    assert begun["dataset"] == "digits"
    assert begun["environment"]["memory"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 2**20
    assert begun["environment"]["gpus"] == torch.cuda.device_count()


def test_threads_are_taken_recorded_and_given_back(tmp_path: Path) -> None:
    before, out, image = torch.get_num_threads(), tmp_path / "run", tmp_path / "image.png"
    Image.new("L", (8, 8)).save(image)
    train = (
        "train",
        "resnet8",
        "--data",
        "digits",
        *SMALL,
        "--no-report",
        "--out",
        str(out),
        "--resume-if-begun",
    )

    run(*train, "--steps", "2", "--threads", "3")
    threads = json.loads((out / "environment.json").read_text())["threads"]
    scores = json.loads(run("eval", str(out), "--threads", "2", "--insights", "0", "--json").stdout)
    answers = json.loads(run("predict", str(out), str(image), "--threads", "2", "--json").stdout)

    assert (threads, scores["threads"], answers["threads"]) == (3, 2, 2)
    assert torch.get_num_threads() == before
    refused = run("eval", str(out), "--threads", "0", code=2)
    assert "0 threads: there can be from 1 to 1,024" in refused.stderr
    (out / "RESULT.json").unlink()
    again = run(*train, "--steps", "2", "--threads", "1")
    assert "with 3 threads, as it was begun, not 1" in again.stdout


def test_tensorboard_reads_the_event_file(finished: tuple[Path, dict[str, object]]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out, _ = finished
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()

    tags = events.Tags()
    assert {"train_loss", "train_accuracy", "learning_rate", "val/accuracy", "val/loss"} <= set(
        tags["scalars"]
    )
    assert "conv1.weight" in tags["histograms"]
    assert tags["images"] == ["training_images"]
    rows = [row for row in read_rows(out / "metrics.jsonl") if row["kind"] == "train"]
    found = [(event.step, event.value) for event in events.Scalars("train_loss")]
    assert found == [(row["step"], pytest.approx(row["train_loss"], rel=1e-6)) for row in rows]
    for name in ("train_accuracy_top_5", "l2_loss"):
        assert [event.value for event in events.Scalars(name)] == [pytest.approx(row[name]) for row in rows]
    costs = [event.value for event in events.Scalars("cost")]
    assert costs == [pytest.approx(row["train_loss"] + row["l2_loss"]) for row in rows]
    assert all(row["train_accuracy"] <= row["train_accuracy_top_5"] <= 1 for row in rows)
    rates = [row for row in read_rows(out / "events.jsonl") if row["event"] == "speed"]
    assert [row["step"] for row in rates] == [10, 20, 30, 40, 50, 60]
    for name in ("images_per_second", "average_images_per_second"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rates]


def test_eval_scores_every_test_image_once_and_writes_the_files(
    finished: tuple[Path, dict[str, object]],
) -> None:
    out, result = finished

    scores = json.loads(run("eval", str(out), "--json").stdout)
    plain = json.loads(run("eval", str(out), "--weights", "plain", "--json").stdout)

    assert scores["accuracy"] == result["accuracy"]
    assert plain["accuracy"] == result["plain_accuracy"]
    assert scores["seen"] == sum(row["samples"] for row in scores["per_class"]) == 359
    low, high = scores["interval"]
    assert low < scores["accuracy"] < high
    folder = Path(scores["out"])
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    confusion = [line.split(",")[1:] for line in (folder / "confusion.csv").read_text().splitlines()[1:]]
    assert sum(int(confusion[i][i]) for i in range(10)) == scores["correct"]
    assert len((folder / "per_class.csv").read_text().splitlines()) == 11


def test_eval_takes_a_checkpoint_and_other_splits(finished: tuple[Path, dict[str, object]]) -> None:
    out, _ = finished
    checkpoint = out / "checkpoints" / "step-00000060"

    on_val = json.loads(run("eval", str(checkpoint), "--split", "val", "--json").stdout)
    text = run("eval", str(checkpoint), "--split", "train").stdout

    assert on_val["seen"] == 100
    last = [row for row in read_rows(out / "metrics.jsonl") if row["kind"] == "val"][-1]
    assert on_val["accuracy"] == last["accuracy"]
    assert "of 1,338; 95 % interval" in text
    assert "most taken for" in text


def test_resume_of_a_finished_run_changes_nothing(finished: tuple[Path, dict[str, object]]) -> None:
    out, result = finished
    before = (out / "metrics.jsonl").read_bytes()

    again = json.loads(run("resume", str(out), "--json").stdout)

    assert again == result
    assert (out / "metrics.jsonl").read_bytes() == before


def test_show_tells_of_a_run(finished: tuple[Path, dict[str, object]]) -> None:
    text = run("show", str(finished[0]), "--full").stdout

    assert "finished" in text
    assert "this run" in text
    assert "fingerprint" in text


def test_the_python_interface_trains_resumes_and_evaluates(tmp_path: Path) -> None:
    result = resnetlab.train(
        "resnet8", data="digits", out=tmp_path / "run", steps=4, batch=16, eval_every="0ep", compile="off"
    )

    assert result.step == 4
    assert resnetlab.resume(tmp_path / "run") == result
    assert resnetlab.evaluate(tmp_path / "run").scores.accuracy == result.accuracy


def test_dry_run_makes_nothing_and_says_where_every_value_comes_from(tmp_path: Path) -> None:
    done = run(
        "train", "resnet110", "--data", "digits", "--recipe", "he2015", "--lr", "0.2", "--batch", "16",
        "--dry-run", "--out", str(tmp_path / "x"), "--set", "compile=off", "--json",
    )  # fmt: skip
    content = json.loads(done.stdout)

    assert content["recipe"]["lr"] == {"value": "0.2", "origin": "flag"}
    assert content["recipe"]["warmup"] == {"value": "400st", "origin": "recipe he2015"}
    assert content["recipe"]["momentum"]["origin"] == "default"
    assert "images/s" in content["facts"]["estimate"]
    assert "free" in content["facts"]["memory"]
    assert list(tmp_path.iterdir()) == []


def test_dry_run_says_whether_a_job_has_begun(tmp_path: Path) -> None:
    job = (
        "train", "resnet8", "--data", "digits", "--steps", "1", "--batch", "8", "--set", "width=0.25",
        "--set", "compile=off", "--out", str(tmp_path / "x"), "--resume-if-begun",
    )  # fmt: skip

    def place(code: int = 0, *more: str) -> str:
        done = run(*job, *more, "--dry-run", "--json", code=code)
        return done.stderr if code else json.loads(done.stdout)["facts"]["run"]

    assert place() == f"{tmp_path / 'x'} (not made)"
    run(*job)
    assert place() == f"{tmp_path / 'x'} (finished)"
    (tmp_path / "x" / "RESULT.json").unlink()
    assert place() == f"{tmp_path / 'x'} (begun)"
    assert "holds another run than is asked for" in place(2, "--lr", "0.3")


WRONG = [
    (["train", "resnet20", "--data", "digits", "--resume-if-begun"], 2, "--resume-if-begun needs --out"),
    (["trian", "resnet20"], 2, "Did you mean train?"),
    (["train", "resnet20", "--bacth", "3"], 2, "Did you mean --batch"),
    (["train", "resnte20", "--data", "digits"], 2, "resnet20"),
    (["train", "resnet21", "--data", "digits"], 2, "20"),
    (["train", "resnet20", "--data", "digist"], 2, "Did you mean digits?"),
    (["train", "resnet20", "--data", "/nowhere/at/all"], 3, "no such file or folder"),
    (["train", "resnet20", "--data", "digits", "--recipe", "quikc"], 2, "Did you mean quick"),
    (["train", "resnet20", "--data", "digits", "--set", "lr"], 2, "NAME=VALUE"),
    (["train", "resnet20", "--data", "digits", "--set", "lrr=1"], 2, "Did you mean lr"),
    (["train", "resnet20", "--data", "digits", "--lr", "-1"], 2, "lr must be above 0"),
    (["train", "resnet20", "--data", "digits", "--batch", "5000"], 2, "more than the 1438 training samples"),
    (
        ["train", "resnet20", "--data", "digits", "--batch", "5000"],
        2,
        "Choose one of at most 1438 with --batch.",
    ),
    (
        ["train", "resnet20", "--data", "digits", "--epochs", "1", "--steps", "2"],
        2,
        "length is given twice: --epochs 1 and --steps 2",
    ),
    (["train", "resnet20", "--data", "digits", "--device", "cuda:7"], 2, "no device 'cuda:7' here"),
    (["train", "resnet20", "--data", "digits", "--set", "classes=3"], 2, "3 classes, digits has 10"),
    (["resume", "/nowhere"], 2, "no run at /nowhere"),
    (["eval", "/nowhere"], 2, "no run at /nowhere"),
    (["show", "resent110"], 2, "resnet110"),
    (["bench", "train", "resnet20", "--batch", "0"], 2, "batch must be at least 1, got 0"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "message"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_bad_input_is_answered_with_what_is_wrong_and_what_to_do(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the same `main`, without a second's start for each."""
    try:
        found = main(arguments)
    except SystemExit as end:  # argparse ends so
        found = end.code

    assert (found, message in capsys.readouterr().err) == (code, True)


def test_a_diverging_run_stops_with_the_step_and_exit_code_4(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(
        "train", "resnet8", "--data", "digits", "--steps", "50", "--out", str(out), *SMALL,
        "--lr", "1e30", "--set", "checkpoint_every=1", "--set", "warmup=0st", code=4,
    )  # fmt: skip

    assert "diverged at step" in done.stderr
    assert "is not finite" in done.stderr
    assert "--lr" in done.stderr
    assert not (out / "RESULT.json").exists()
    assert read_rows(out / "events.jsonl")[-1]["event"] == "stopped"


def test_stop_at_ends_the_run_at_that_accuracy(tmp_path: Path) -> None:
    done = run(
        "train", "resnet8", "--data", "digits", "--steps", "500", "--out", str(tmp_path / "run"), *SMALL,
        "--stop-at", "0.15", "--set", "eval_every=10st", "--json",
    )  # fmt: skip
    result = json.loads(done.stdout)

    assert result["accuracy"] >= 0.15
    assert result["step"] < 500


def test_bench_json_is_one_line_with_images_per_second() -> None:
    done = run(
        "bench",
        "train",
        "resnet8",
        "--batch",
        "8",
        "--steps",
        "2",
        "--warmup",
        "1",
        "--set",
        "compile=off",
        "--json",
    )

    speed = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert speed["images_per_second"] > 0
    assert speed["batch"] == 8
    assert 0 < speed["share_of_machine"] <= 1 and speed["machine_rate_by"]
    evaluation = json.loads(run("bench", "eval", "resnet8", "--batch", "8", "--steps", "2", "--warmup", "1",
                                "--set", "compile=off", "--json").stdout)  # fmt: skip
    assert evaluation["what"] == "eval"


def test_bench_measures_the_engine_that_eval_would_take(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    short = ("--batch", "2", "--steps", "1", "--warmup", "1", "--device", "cpu")
    main(["bench", "eval", "resnet8", *short, "--engine", "torch", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["engine"], told["engine_said"], told["compiled"]) == ("torch", "torch (as asked)", False)
    main(["bench", "eval", "resnet8", *short, "--engine", "reference"])
    assert "fp32, engine reference (as asked)" in capsys.readouterr().out
    assert main(["bench", "train", "resnet8", *short, "--engine", "torch"]) == 2
    assert "--engine torch is not possible here: it makes a trained network's" in capsys.readouterr().err


def test_version_names_ours_and_torchs() -> None:
    text = run("--version").stdout

    assert text.startswith("resnetlab 0.")
    assert "torch 2." in text


def test_an_interrupted_begin_can_be_begun_again(tmp_path: Path) -> None:
    """A process killed before recipe.json was written leaves no run, and is in nobody's way."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "lock").write_text("process 4711 on here, since 2026-01-01 00:00:00")
    for name in ("spec.json", "data.json"):
        (out / name).write_text("{}")
    run("train", "resnet8", "--data", "digits", "--steps", "1", "--out", str(out), *SMALL)

    assert (out / "RESULT.json").exists()


def test_what_cannot_be_built_leaves_no_run_behind(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(
        "train", "resnet8", "--data", "digits", "--out", str(out), "--set", "crop_padding=40",
        "--set", "crop_fill=reflect", code=2,
    )  # fmt: skip

    assert "cannot reflect 40 pixels" in done.stderr
    assert {path.name for path in out.iterdir()} <= {"lock"}


def examined(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], str]:
    """What `doctor` finds and complains of, in this process."""
    assert main(["doctor", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    return content["facts"], "\n".join(content["problems"])


def test_doctor_names_versions_rates_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    facts, _ = examined(capsys)

    assert facts["torch"]
    assert "GFLOP/s in fp32" in facts["cpu at its best"] and " in bf16, " in facts["cpu at its best"]
    assert "GFLOP/s" in facts["cpu matrix product"]
    assert facts["instructions"] and facts["own kernels"].startswith("can")
    assert "free" in facts["data cache"]
    assert "gloo" in facts["several devices"]
    milliseconds = [float(text) for text in re.findall(r"in ([\d.]+) ms", facts["two processes add"])]
    assert len(milliseconds) == 2 and 0 < milliseconds[0] < milliseconds[1]


def test_doctor_says_why_two_processes_cannot_add(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "none7")

    facts, problems = examined(capsys)

    assert "two processes add" not in facts
    assert "Two processes of this machine could not add a tensor together: " in problems
    assert "no interface none7" in problems


def test_doctor_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert "C++ compiler" in examined(capsys)[1]
    assert thread_problems(2, 2) == []
    assert slowness("cpu", {"fp32": Peak(4e12, "a product", 3.9e12, 4e12)}) == []
    busy = slowness("cpu", {"fp32": Peak(4e12, "a product", 1e12, 4e12)})
    assert "a product makes 1,000 GFLOP/s in fp32 at this moment, 4,000 at its best" in busy[0]
    assert "The processor is slow (1 GFLOP/s in fp32)" in slowness("cpu", {"fp32": Peak(1e9, "", 0, 0)})[0]
    assert "set OMP_NUM_THREADS=2" in thread_problems(64, 2)[0]


@pytest.mark.parametrize("package", ["torch", "numpy", "safetensors"])
def test_doctor_works_without_what_it_misses(
    package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails, as if its libraries lacked

    facts, problems = examined(capsys)

    assert "free" in facts["working directory"]
    assert re.search(
        rf"^{package} \S+ cannot be imported \(ModuleNotFoundError: .*\): ", problems, re.MULTILINE
    )
    assert ("cpu matrix product" in facts) == (package != "torch")


@pytest.mark.parametrize(
    ("package", "arguments"),
    [("torch", ["train", "resnet8"]), ("matplotlib", ["draw", "resnet8", "-o", "net.png"])],
)
def test_a_verb_that_lacks_a_package_says_so(tmp_path: Path, package: str, arguments: list[str]) -> None:
    """Also where the package is imported late, for a part of what the verb can do."""
    done = _without(package, "ModuleNotFoundError", tmp_path, *arguments)

    assert (done.returncode, "resnetlab doctor" in done.stderr) == (2, True)
    assert f"needs {package}, which is not installed: pip install {package}\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "error"), [("torch", "ImportError"), ("safetensors.torch", "ModuleNotFoundError")]
)
def test_what_is_installed_and_broken_is_no_mistake_of_the_user(
    tmp_path: Path, module: str, error: str
) -> None:
    done = _without(module, error, tmp_path, "train", "resnet8", "--data", "digits", "--dry-run")

    assert done.returncode == 1
    assert f"{error}: no {module}" in done.stderr


def _without(module: str, error: str, place: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command for which the import of a module fails so."""
    code = "\n".join(
        (
            "import sys",
            "from resnetlab.cli import main",
            "class Without:",
            "    def find_spec(self, name, path, target=None):",
            f"        if name == {module!r}: raise {error}('no ' + name, name=name)",
            "sys.meta_path.insert(0, Without())",
            "sys.exit(main())",
        )
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=place, capture_output=True, text=True, check=False
    )


def test_what_needs_an_extra_of_ours_is_told_with_it() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {
        re.split("[>=]", package)[0].replace("-", "_"): extra
        for extra, needed in extras.items()
        if extra not in ("dev", "docs")
        for package in needed
    }

    packages["yaml"] = packages.pop("pyyaml")  # the module
    assert packages == EXTRAS
    assert how_to_install("h5py") == 'pip install "resnetlab[keras]"'
    assert how_to_install("PIL") == "pip install pillow"
    assert how_to_install("triton") == how_to_install("resnetlab") == ""


def test_data_describes_a_source() -> None:
    assert json.loads(run("data", "describe", "digits", "--json").stdout)["samples"] == {
        "train": 1438,
        "test": 359,
    }
    assert "fingerprint" in run("data", "describe", "digits").stdout


def test_list_and_show_name_everything() -> None:
    text = run("list").stdout

    assert all(name in text for name in ("resnet1202", "chaoji_tf2_resnet20", "tfresearch", "digits"))
    names = json.loads(run("list", "models", "--json").stdout)["models"]
    assert len(names) == len(set(names))
    assert not set(names) & set(resnetlab.list_recipes())
    assert "1,704,154" in run("show", "resnet164").stdout
    assert "Weight decay" in run("show", "keras").stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["show", "resnet1202"], ["show", "he2015"], ["train", "--help"]]
)
def test_help_list_and_show_do_not_import_torch_and_are_quick(arguments: list[str]) -> None:
    code = "\n".join(
        (
            "import sys",
            "from resnetlab.cli import main",
            "try:",
            f"    main({arguments!r})",
            "except SystemExit:",
            "    pass",
            "assert 'torch' not in sys.modules",
        )
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    assert time.perf_counter() - started < 3  # the promise of 0.3 s is measured in docs/results.md


@pytest.mark.parametrize("is_on", [True, False])
def test_cycles_are_looked_for_after_a_command_as_before(is_on: bool) -> None:
    was_on = gc.isenabled()
    (gc.enable if is_on else gc.disable)()
    try:
        run("eval", "nothing", code=2)

        assert gc.isenabled() is is_on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_long_names_of_classes_leave_the_table_of_an_evaluation_within_a_terminal(tmp_path: Path) -> None:
    long = "a coat of many colours " * 9
    write_pictures(tmp_path / f"data/{long}1", 6, (16, 16))
    write_pictures(tmp_path / f"data/{long}2", 6, (16, 16))
    train = [
        "train",
        "resnet8",
        "--data",
        str(tmp_path / "data"),
        "--steps",
        "1",
        "--batch",
        "4",
        "--workers",
        "0",
    ]
    run(*train, "--out", str(tmp_path / "run"), "--set", "compile=off", "--set", "report=false")

    told = run("eval", str(tmp_path / "run"), "--workers", "0", "--insights", "0").stdout

    table = told[told.index("class ") :].splitlines()[:3]
    assert max(map(len, table)) < 110 and sum("…" in line for line in table) == 2
