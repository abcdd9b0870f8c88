"""What is found in a trained network: pictures of the right images, within the time, the rest said."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.sources.encoded import AnySplit
from resnetlab.evaluation.collecting import Collecting, answers_of
from resnetlab.insights import looking
from resnetlab.insights.explaining import explain
from resnetlab.insights.looking import look_inside
from resnetlab.insights.pictures import pictured
from resnetlab.insights.subject import Subject
from tests.kit.artefacts import normaliser
from tests.kit.foreign_weights import lively
from tests.kit.pictures import write_pictures
from tests.kit.small_runs import CPU, small_source

NAMES = ("a", "b", "c")


def subject_of(split: AnySplit, size: int, model: nn.Module | None = None) -> Subject:
    """A network that was not trained, and what it answers."""
    model = model or lively("resnet8", classes=3)
    preprocessing = Preprocessing(normaliser(), Geometry(size, size) if split.reads_files else Geometry(0, 0))
    subject = Subject(
        model=model.eval(), preprocessing=preprocessing, device=CPU, size=(size, size), split=split,
        answers=answers_of_nothing(len(split)), logits=(0, 1, 2),
    )  # fmt: skip
    rows = range(len(split))
    with torch.no_grad():
        logits = model(subject.input([*subject.read(rows).values()]))
    collecting = Collecting(3, len(split), len(split))
    collecting.add(logits, torch.from_numpy(split.labels), torch.arange(len(split)), 0)
    answers = answers_of(collecting.gathered(), NAMES, (0, 1, 2), split.place)
    return replace(subject, answers=answers)


def answers_of_nothing(count: int):  # type: ignore[no-untyped-def]
    """Answers whose images can be read."""
    collecting = Collecting(3, count, count)
    collecting.add(torch.zeros(count, 3), torch.zeros(count, dtype=torch.int64), torch.arange(count), 0)
    return answers_of(collecting.gathered(), NAMES, (0, 1, 2), lambda sample: "")


@pytest.fixture(scope="module")
def subject() -> Subject:
    return subject_of(small_source().test, 16)


def test_the_worst_are_shown_with_the_map_of_their_answer_beside(subject: Subject) -> None:
    found = look_inside(subject, 60.0)

    assert found is not None
    worst = found.content["worst"]
    wrong = int((~subject.answers.correct).sum())
    assert len(worst) == wrong > 10
    assert [row["loss"] for row in worst] == sorted((row["loss"] for row in worst), reverse=True)
    for row in worst[:3]:
        pixels = small_source().test.images[row["sample"]]
        network = subject.network
        assert network is not None
        why = explain(network, pixels, subject.input([pixels]), NAMES, row["answer"], "")
        assert found.pictures[row["image"]] == pictured(pixels).content
        ours, theirs = (
            np.asarray(Image.open(io.BytesIO(each)), int)
            for each in (found.pictures[row["cam"]], pictured(why.overlay(strength=0.6)).content)
        )
        assert np.abs(ours - theirs).max() <= 2  # a batch adds up in another order
        assert row["probability"] == pytest.approx(why.probability, abs=1e-3)


def test_all_of_it_is_there_and_every_picture_is_named(subject: Subject) -> None:
    found = look_inside(subject, 60.0)

    assert found is not None
    content = found.content
    rows = [
        *content["worst"],
        *content["doubtful"],
        *(r for rows in content["confusions"].values() for r in rows),
    ]
    named = {row[kind] for row in rows for kind in ("image", "cam")} - {None} | {content["filters"]}
    assert named == {*found.pictures}
    assert len(content["responses"]) == 7
    assert [row["layer"] for row in content["depth"]] == ["stem", "layer1.0", "layer2.0", "layer3.0"]
    assert (content["images"], content["left_out"]) == (30, [])
    counts = {key: len(rows) for key, rows in content["confusions"].items()}
    confused = subject.answers.truth * 10 + subject.answers.answer
    for key, count in counts.items():
        truth, answer = map(int, key.split(">"))
        assert count == min(12, int((confused == truth * 10 + answer).sum()))


def test_no_time_is_no_picture_and_said(subject: Subject) -> None:
    assert look_inside(subject, 0.0) is None
    found = look_inside(subject, 1e-9)

    assert found is not None
    assert {*found.pictures} == {"filters.png"}
    assert found.content["worst"][0]["image"] is None
    (told,) = found.content["left_out"]
    assert told.startswith("The pictures of ") and "as 1e-09 s were over: `resnetlab eval --insights" in told


def test_a_graph_that_nobody_can_look_into_has_pictures_without_maps(subject: Subject) -> None:
    graph = nn.Sequential(lively("resnet8", classes=3))

    found = look_inside(subject_of(small_source().test, 16, graph), 60.0)

    assert found is not None
    assert [row["cam"] for row in found.content["worst"]] == [None] * len(found.content["worst"])
    assert all(row["image"] in found.pictures for row in found.content["worst"])
    assert (found.content["responses"], found.content["filters"]) == ([], None)
    assert "nobody can look into" in found.content["left_out"][0]


def test_images_that_are_gone_are_said(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in NAMES:
            write_pictures(tmp_path / part / name, 3, (40, 70))
    source = open_folder(tmp_path)
    subject = subject_of(source.test, 32)
    row = int((~subject.answers.correct).argmax())
    gone = source.test.place(int(subject.answers.sample[row]))
    (tmp_path / gone).unlink()

    found = look_inside(subject, 60.0)

    assert found is not None
    rows = {each["sample"]: each for each in found.content["worst"]}
    assert rows[int(subject.answers.sample[row])]["image"] is None
    assert all(each["image"] for sample, each in rows.items() if sample != subject.answers.sample[row])
    (told,) = found.content["left_out"]
    assert told == f"1 image could not be read again: {gone}: cannot be read: No such file or directory"


def test_what_fails_costs_its_part_alone_and_the_network_is_as_before(subject: Subject) -> None:
    subject.model.train()
    try:
        found = look_inside(replace(subject, logits=()), 60.0)

        assert subject.model.training
    finally:
        subject.model.eval()
    assert found is not None
    assert found.content["left_out"] == ["The layers of the network: tuple index out of range"]
    assert found.content["worst"][0]["cam"] in found.pictures


def test_pictures_stay_below_so_many_bytes(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_MOST_BYTES", 20_000)

    found = look_inside(subject, 60.0)

    assert found is not None
    assert 15_000 < sum(map(len, found.pictures.values())) <= 20_000
    (told,) = found.content["left_out"]
    assert told.endswith("as they would take too many bytes")
