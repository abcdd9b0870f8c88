"""`resnetlab plan` as a user types it: one number of devices, several, other data, and what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.commands import run
from tests.kit.photographs import write_photographs

PLAN = ("plan", "resnet50", "--recipe", "torchvision-v1", "--set", "precision=bf16")


def _json(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_one_plan_says_rate_step_reduction_reading_memory_and_time_and_what_it_assumes() -> None:
    text = run(*PLAN, "--devices", "64", "--batch", "8192").stdout

    lines = {line.split("  ")[0]: line for line in text.splitlines() if line[:1].strip()}
    for title in ("devices", "batch", "length", "images/s", "step", "reduction", "reading", "memory", "time"):
        assert title in lines, title
    assert "64 x NVIDIA H100 SXM5, 80 GB, 8 hosts of 8" in lines["devices"]
    assert "8,192: 128 a device" in lines["batch"]
    assert "nothing: resnetlab was not run on this device yet" in lines["measured"]
    assert "nothing overlaps" in text
    assumed = text.partition("assumed (--assume NAME=VALUE):\n")[2]
    names = {line.split()[0] for line in assumed.splitlines() if line.startswith("  ") and line[2] != " "}
    assert {"half", "half_share", "link", "network", "decode", "launch"} <= names
    assert "MLPerf" in assumed


def test_json_has_the_same_numbers_and_every_assumption() -> None:
    found = _json(*PLAN, "--devices", "64", "--batch", "8192")["forecast"]

    assert found["devices"] == 64
    assert found["hosts"] == 8
    assert found["step"] == found["compute"] + found["reduction"] + found["waiting"]
    assert found["images_per_second"] == 8192 / found["step"]
    assert found["steps"] == -(-90 * 1_281_167 // 8192)
    assert found["total"] == pytest.approx(
        found["steps"] * found["step"] + found["scores"] * found["score"] + found["saves"] * found["save"]
    )
    assumed = _json(*PLAN)["assumed"]
    assert assumed["network"] == {"value": 400, "unit": "GB/s", "source": assumed["network"]["source"]}
    assert all(each["source"] for each in assumed.values())


def test_several_numbers_of_devices_make_a_row_each_and_say_where_it_stops() -> None:
    found = _json(*PLAN, "--devices", "1,2,...,512", "--assume", "decode=600")
    rows = found["rows"]

    assert [row["devices"] for row in rows] == [2**n for n in range(10)]
    assert [row["each"] for row in rows[:-1]] == [2**n for n in range(8, -1, -1)]
    assert "256 cannot be cut into 512 equal shards: 512 can" in rows[-1]["problem"]
    efficiencies = [row["efficiency"] for row in rows[:-1]]
    assert efficiencies == sorted(efficiencies, reverse=True)
    assert found["scaling"].startswith("It stops scaling before 32 devices")
    text = run(*PLAN, "--devices", "1,2,...,512", "--assume", "decode=600").stdout
    assert "512 devices: a batch of 256 cannot be cut" in text
    assert found["scaling"] in " ".join(text.split())


def test_with_a_batch_per_device_the_batch_grows_and_the_epochs_stay() -> None:
    weak = ("plan", "resnet50", "--recipe", "tfofficial-lars", "--batch-per-device", "128")
    rows = _json(*weak, "--devices", "1,8,64,100000")["rows"]

    assert [row["batch"] for row in rows[:3]] == [128, 1024, 8192]
    assert rows[0]["epochs"] == pytest.approx(rows[2]["epochs"], rel=1e-3)
    assert "more than the 1,281,167 training samples" in rows[3]["problem"]


def test_one_measured_rate_puts_all_computing_right() -> None:
    plain = _json(*PLAN, "--batch", "256")
    given = _json(*PLAN, "--batch", "256", "--images-per-second", "3000")
    smaller = _json(*PLAN, "--batch", "256", "--images-per-second", "3000@64")

    assert given["forecast"]["compute"] == pytest.approx(256 / 3000)
    factor = given["forecast"]["compute"] / plain["forecast"]["compute"]
    assert f"times of computing are {factor:.2f} times" in given["assumed"]["images_per_second"]["source"]
    assert smaller["forecast"]["compute"] < given["forecast"]["compute"]  # 256 at once are faster than 64
    assert "the rate of one device" in given["measured"]


def test_shards_of_the_recipe_are_shared_out_among_the_devices() -> None:
    eight = ("--set", "shards=8")
    rows = _json(*PLAN, *eight, "--devices", "1,2,6,8")["rows"]

    assert [row.get("shards") for row in rows] == [8, 8, None, 8]
    assert "6 devices cannot share 8 shards equally" in rows[2]["problem"]
    assert (
        rows[0]["compute"] > _json(*PLAN)["forecast"]["compute"]
    )  # 8 passes of 32 take longer than one of 256


def test_synchronised_bn_is_reduced_within_the_passes() -> None:
    devices, sync = ("--devices", "8", "--batch", "256"), ("--set", "shard_bn=sync")
    plain, synced = _json(*PLAN, *devices)["forecast"], _json(*PLAN, *devices, *sync)["forecast"]

    assert synced["reduction"] > plain["reduction"] + 2 * 53 * 14e-6  # each at least its beginning
    assert "and 106 of BN's within the passes" in " ".join(run(*PLAN, *devices, *sync).stdout.split())
    assert _json(*PLAN, *sync)["forecast"]["reduction"] == 0


def test_too_little_memory_is_said_with_what_fits() -> None:
    found = _json(*PLAN, "--batch", "4096", "--device-kind", "l4")

    assert "do not fit into the 24.0 GiB of a device: --set accumulate=8 does" in found["problem"]
    again = _json(*PLAN, "--batch", "4096", "--device-kind", "l4", "--set", "accumulate=8")
    assert again["problem"] == ""
    assert found["problem"] in " ".join(run(*PLAN, "--batch", "4096", "--device-kind", "L4").stdout.split())


def test_data_that_is_here_is_counted_and_data_that_is_nowhere_is_a_number(tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "photos")
    here = _json("plan", "resnet18", "--data", str(folder), "--batch", "2", "--epochs", "1")
    digits = _json("plan", "resnet20", "--data", "digits")
    numbered = _json("plan", "resnet18", "--images", "20000", "--recipe", "photos", "--set", "classes=7")

    assert here["data"]["train"] + here["data"]["test"] == len([*folder.rglob("*.*")])
    assert here["data"]["reads_files"]
    assert here["data"]["file_bytes"] > 100
    assert (digits["data"]["train"], digits["data"]["reads_files"]) == (1438, False)
    assert digits["forecast"]["cores_needed"] == 0
    assert (numbered["data"]["train"], numbered["data"]["test"], numbered["data"]["classes"]) == (
        20000,
        1000,
        7,
    )


def test_this_machine_is_measured_and_its_numbers_can_be_put_right() -> None:
    asked = ("plan", "resnet8", "--data", "digits", "--batch", "16", "--device-kind", "this")
    found = _json(*asked, "--assume", "step_1x16=100", "--assume", "write=2")

    assert found["forecast"]["compute"] == 0.1
    assert found["forecast"]["reduction"] == 0
    assert found["assumed"]["score_1x16"]["source"].startswith("measured here: 1 process of")
    assert found["device"].startswith("cpu") or "cuda" in found["device"]
    assert "steps and sums in as many processes as run here at once" in found["measured"]
    refused = run(*asked, "--devices", "3", code=2).stderr
    assert "16 cannot be cut into 3 equal shards: 15 and 18 can" in refused
    assert "measuring" not in refused
    assert "this machine is measured" in run(*asked, "--images-per-second", "9", code=2).stderr


@pytest.mark.parametrize(("kind", "precision"), [("a100", "bf16"), ("v100", "fp32")])
def test_a_precision_that_is_left_to_the_machine_is_what_the_kind_multiplies(
    kind: str, precision: str
) -> None:
    asked = ("plan", "resnet50", "--device-kind", kind, "--batch", "64")

    left, given = (_json(*asked, "--set", f"precision={each}") for each in ("auto", precision))

    assert left == given


def test_markdown_has_the_table_and_the_assumptions_as_tables() -> None:
    text = run(*PLAN, "--devices", "1,2", "--markdown").stdout

    assert text.startswith("| devices | hosts | batch |")
    assert "| assumed (--assume NAME=VALUE) | value | source |" in text
    assert run(*PLAN, "--devices", "2", "--markdown").stdout.startswith("|  |  |")


def test_examples_of_its_help_are_commands_that_work(tmp_path: Path) -> None:
    text = run("plan", "--help").stdout.partition("examples:\n")[2]
    commands = [line.split()[1:] for line in text.splitlines() if line.strip().startswith("resnetlab ")]

    assert len(commands) > 3
    for command in commands:
        if "this" in command:  # measures for half a minute
            continue
        run(*("cifar10" if word == "photos/" else word for word in command))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--devices", "48"], "256 cannot be cut into 48 equal shards: 240 and 288 can"),
        (["--devices", "0"], "--devices 0: no number of devices"),
        (["--devices", "4,2"], "--devices 4,2: no number of devices"),
        (["--devices", "1,...,"], "no number of devices"),
        (["--devices", "...,8"], "no number of devices"),
        (["--device-kind", "h10"], "--device-kind h10: not known"),
        (["--device-kind", "v100"], "V100 SXM2, 16 GB has no bf16"),
        (["--assume", "netwrok=3"], "nothing called 'netwrok' is assumed here"),
        (["--batch", "64", "--batch-per-device", "8"], "--batch and --batch-per-device exclude each other"),
        (["--batch-per-device", "0"], "--batch-per-device 0: too small"),
        (["--images-per-second", "fast"], "--images-per-second fast: no rate"),
        (["--images-per-second", "3000@0"], "--images-per-second 3000@0: no rate"),
        (["--images-per-second", "0"], "--images-per-second 0: no rate"),
        (["--json", "--markdown"], "--json and --markdown exclude each other"),
        (["--images", "0"], "--images 0: a dataset has at least 1"),
        (["--images", "100"], "a batch of 256 is more than the 100 training samples"),
        (["--recipe", "quikc"], "Did you mean quick"),
        (["--data", "/nowhere"], "/nowhere"),
        (["--set", "lrr=1"], "Did you mean lr"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_answered_with_what_is_wrong(arguments: list[str], message: str) -> None:
    done = run(*PLAN, *arguments, code=None)

    assert done.returncode in (2, 3)
    assert message in done.stderr


def test_steps_on_images_that_are_small_at_first_count_by_their_size() -> None:
    """`timed` has images of 24 pixels for six tenths of the steps."""
    timed = (
        "plan",
        "resnet20",
        "--data",
        "cifar10",
        "--recipe",
        "timed",
        "--batch",
        "32768",
        "--set",
        "val=0",
    )
    grown, small = (_json(*timed, "--set", f"shrink={share}")["forecast"] for share in (1, 0.75))
    throughout = _json(*timed, "--set", "shrink=0.75", "--set", "shrink_until=1")["forecast"]

    assert small["compute"] == pytest.approx(0.4 * grown["compute"] + 0.6 * throughout["compute"], rel=1e-6)
    assert throughout["compute"] == pytest.approx(0.75**2 * grown["compute"], rel=0.05)
