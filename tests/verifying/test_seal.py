"""A seal is one hash of all files of a run, and any of them that is changed breaks it."""

import hashlib
import json
from pathlib import Path

import pytest

import resnetlab
from resnetlab.errors import LockedError, UsageError
from resnetlab.runs.directory import lock_run
from tests.kit.doctored_runs import evaluation, flip, last_checkpoint
from tests.kit.reported_runs import edit, read


def seal_of(run: Path, **asked: str) -> tuple[str, str]:
    """Return the verdict on the seal, and what was found."""
    (verdict,) = resnetlab.verify(run, **asked).each  # type: ignore[arg-type]
    return next((each.verdict, each.found) for each in verdict.findings if each.name == "seal")


def test_a_sealed_run_is_checked_by_its_seal(run: Path) -> None:
    (verdict,) = resnetlab.verify(run, seal=True).each
    seal = read(run / "SEAL.json")

    assert verdict.seal == seal["sha256"] != ""
    assert {"recipe.json", "metrics.jsonl", "RESULT.json"} < {*seal["files"]}
    assert not {"lock", "SEAL.json", "report.html"} & {*seal["files"]}
    content = (run / "RESULT.json").read_bytes()
    assert seal["files"]["RESULT.json"] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    canonical = json.dumps(seal["files"], sort_keys=True, separators=(",", ":"))
    assert seal["sha256"] == hashlib.sha256(canonical.encode()).hexdigest()
    assert seal_of(run)[0] == "pass"
    assert resnetlab.verify(run, seal=True).each[0].seal == verdict.seal, "the same files, the same hash"


@pytest.mark.parametrize(
    ("name", "words"),
    [("events.jsonl", "events.jsonl was changed"), ("checkpoint", "model.safetensors was changed"),
     ("gone", "environment.json is gone"), ("own", "not of its own hash"), ("form", "is no seal"),
     ("version", "of format 'resnetlab seal', version 9")],
)  # fmt: skip
def test_what_is_changed_breaks_it(name: str, words: str, run: Path) -> None:
    resnetlab.verify(run, seal=True)
    match name:
        case "events.jsonl":
            (run / name).write_bytes((run / name).read_bytes() + b"\n")
        case "checkpoint":
            flip(last_checkpoint(run) / "model.safetensors")
        case "gone":
            (run / "environment.json").unlink()
        case "own":
            edit(run / "SEAL.json", sha256="0" * 64)
        case "form":
            edit(run / "SEAL.json", files=[])
        case "version":
            edit(run / "SEAL.json", version=9)

    verdict, found = seal_of(run)

    assert verdict == "fail"
    assert words in found


def test_the_published_hash_is_what_holds(run: Path) -> None:
    published = resnetlab.verify(run, seal=True).each[0].seal
    edit(run / "events.jsonl".replace("events.jsonl", "environment.json"), cores=1000)
    (verdict,) = resnetlab.verify(run).each

    assert seal_of(run, seal_hash=published)[0] == "fail"
    assert not verdict.is_sound
    assert resnetlab.verify(run, seal=True).each[0].seal == published, "what is broken is not sealed anew"


def test_another_hash_than_published_breaks_it(run: Path) -> None:
    published = resnetlab.verify(run, seal=True).each[0].seal

    assert seal_of(run, seal_hash=published[:12].upper())[0] == "pass"
    assert seal_of(run, seal_hash="0" * 64)[0] == "fail"
    (run / "SEAL.json").unlink()
    assert seal_of(run, seal_hash=published) == ("fail", "there is no SEAL.json")
    with pytest.raises(UsageError, match="of one run"):
        resnetlab.verify([run, run], seal_hash=published)


def test_what_comes_later_breaks_no_seal(run: Path) -> None:
    """Another evaluation of the same weights on the same images has other seconds, engine and threads."""
    resnetlab.verify(run, seal=True)
    scores = (evaluation(run) / "scores.json").read_bytes()
    resnetlab.evaluate(run, split="test", engine="torch", insights=0)
    (run / "another.txt").write_text("later")

    verdict, found = seal_of(run)

    assert (evaluation(run) / "scores.json").read_bytes() != scores
    assert verdict == "pass"
    assert "come since: another.txt" in found


def test_linked_checkpoints_are_sealed_too(run: Path, tmp_path: Path) -> None:
    """On a larger disk, where others have files too."""
    (run / "checkpoints").rename(tmp_path / "large")
    (run / "checkpoints").symlink_to(tmp_path / "large", target_is_directory=True)
    (tmp_path / "large" / "of others").mkdir()
    (tmp_path / "large" / "of others" / "note.txt").write_text("theirs")
    resnetlab.verify(run, seal=True)
    sealed = {name.partition("/")[0] + "/" + Path(name).name for name in read(run / "SEAL.json")["files"]}

    assert {"checkpoints/model.safetensors", "checkpoints/MANIFEST.json"} < sealed
    assert "checkpoints/note.txt" not in sealed
    assert seal_of(run)[0] == "pass"
    flip(last_checkpoint(run) / "model.safetensors")
    assert seal_of(run)[0] == "fail"


@pytest.mark.parametrize("short", ["a", "0" * 11, "z" * 64, "0" * 65])
def test_what_is_no_hash_is_compared_with_none(short: str, run: Path) -> None:
    with pytest.raises(UsageError, match="at least 12"):
        resnetlab.verify(run, seal_hash=short)


def test_a_run_that_is_being_written_is_compared_with_no_hash(run: Path) -> None:
    published = resnetlab.verify(run, seal=True).each[0].seal

    with lock_run(run), pytest.raises(LockedError):
        resnetlab.verify(run, seal_hash=published)


def test_what_is_not_at_its_end_or_broken_is_not_sealed(run: Path) -> None:
    edit(run / "RESULT.json", accuracy=0.999)
    assert resnetlab.verify(run, seal=True).each[0].seal == ""
    (run / "RESULT.json").unlink()
    assert resnetlab.verify(run, seal=True).each[0].seal == ""

    assert not (run / "SEAL.json").exists()


def test_a_run_that_is_being_written_is_not_sealed(run: Path) -> None:
    with lock_run(run), pytest.raises(LockedError):
        resnetlab.verify(run, seal=True)
