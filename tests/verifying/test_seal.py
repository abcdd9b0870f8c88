"""A seal is one hash of all files of a run, and any of them that is changed breaks it."""

import hashlib
import json
from pathlib import Path

import pytest

import resnetlab
from resnetlab.errors import LockedError, UsageError
from resnetlab.runs.directory import lock_run
from tests.kit.doctored_runs import flip, last_checkpoint
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
    resnetlab.verify(run, seal=True)
    (run / "report.html").write_text("a page")
    (run / "eval" / "another").mkdir()
    (run / "eval" / "another" / "note.txt").write_text("later")

    verdict, found = seal_of(run)

    assert verdict == "pass"
    assert "come since: eval/another/note.txt" in found


def test_what_is_not_at_its_end_or_broken_is_not_sealed(run: Path) -> None:
    edit(run / "RESULT.json", accuracy=0.999)
    assert resnetlab.verify(run, seal=True).each[0].seal == ""
    (run / "RESULT.json").unlink()
    assert resnetlab.verify(run, seal=True).each[0].seal == ""

    assert not (run / "SEAL.json").exists()


def test_a_run_that_is_being_written_is_not_sealed(run: Path) -> None:
    with lock_run(run), pytest.raises(LockedError):
        resnetlab.verify(run, seal=True)
