"""Answers averaged over views: as restated, exact in their counts, never taken for the single view's."""

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import resnetlab
from resnetlab.cli import main
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.engines import answering
from resnetlab.errors import DataError, UsageError
from resnetlab.evaluation.answers import read_answers
from resnetlab.evaluation.results import Evaluation
from resnetlab.trained.artefact import Artefact
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import MEAN, STD, normaliser, small_artefact
from tests.kit.pictures import picture, pixels
from tests.kit.restated_views import Floats, mean_probabilities, ten_crops, whole_images

CLASSES = ("ant", "bee", "cat")
SIDES = (32, 36, 56, 68, 92)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLASS/N.png, 15 pictures of 40 to 75 pixels a side, upright and oblong."""
    root = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(5):
            size = (40 + 7 * number, 75 - 7 * number - label)
            (root / name / f"{number}.png").write_bytes(picture(10 * label + number, size=size, form="PNG"))
    return root


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLASS/N.png of 32 x 32 pixels, which are held in memory."""
    root = tmp_path_factory.mktemp("tiny")
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(4):
            (root / name / f"{number}.png").write_bytes(
                picture(10 * label + number, size=(32, 32), form="PNG")
            )
    return root


@functools.cache
def unsure() -> Artefact:
    """A network of which pictures have answers of every class, and views of a picture different ones."""
    artefact = small_artefact("resnet8", width=0.5)
    with torch.inference_mode():
        images = np.stack([pixels(seed, (32, 32)) for seed in range(40)])
        logits_NK = artefact.model().eval()(
            artefact.preprocessing.normaliser(torch.from_numpy(images)).permute(0, 3, 1, 2)
        )
    mean_K, std_K = logits_NK.mean(0), logits_NK.std(0)
    own = {
        "fc.weight": 2 * artefact.tensors["fc.weight"] / std_K[:, None],
        "fc.bias": 2 * (artefact.tensors["fc.bias"] - mean_K) / std_K,
    }
    return replace(artefact, tensors=artefact.tensors | own)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("net") / "net"
    export_model(unsure(), "folder", out)
    return out


def as_is(tmp_path: Path, artefact: Artefact | None = None) -> Path:
    """A network for images that are not resized."""
    artefact = artefact or unsure()
    unresized = Preprocessing(artefact.preprocessing.normaliser)
    export_model(replace(artefact, preprocessing=unresized), "folder", tmp_path / "as-is")
    return tmp_path / "as-is"


def restated(photos: Path, name: str, shorter: int = 36) -> tuple[list[Path], list[int], Floats]:
    model = unsure().model().eval()

    def logits(pixels_NHWC: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        images = torch.from_numpy(((pixels_NHWC / 255 - MEAN) / STD).astype(np.float32)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = model(images).numpy()
        return found

    def views(image: Image.Image) -> Iterator[Image.Image]:
        return ten_crops(image, 32, shorter) if name == "10crop" else whole_images(image, SIDES)

    paths = sorted(photos.glob("*/*.png"))
    return (
        paths,
        [CLASSES.index(path.parent.name) for path in paths],
        mean_probabilities(paths, views, logits),
    )


def evaluated(path: Path, data: Path, out: Path, **given: Any) -> Evaluation:
    return resnetlab.evaluate(path, data=data, out=out, **({"workers": 0, "insights": 0} | given))


@pytest.mark.parametrize("name", ["10crop", "multiscale"])
@pytest.mark.parametrize("data", ["photos", "tiny"])
def test_the_answers_are_those_of_the_mean_probability(
    name: str, data: str, net: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(data)
    found = evaluated(net, folder, tmp_path / "out", views=name)

    paths, truth, shares = restated(folder, name)
    answers = read_answers(tmp_path / "out" / "answers.npz")
    rows = np.arange(len(paths))
    assert answers.place.tolist() == [f"{path.parent.name}/{path.name}" for path in paths] or data == "tiny"
    assert answers.answer.tolist() == shares.argmax(1).tolist()
    np.testing.assert_allclose(answers.probability, shares.max(1), rtol=1e-4)
    np.testing.assert_allclose(answers.probability_of_truth, shares[rows, truth], rtol=1e-4)
    assert found.scores.correct == (shares.argmax(1) == truth).sum()
    assert (found.scores.seen, found.scores.correct_top5) == (len(paths), len(paths))
    assert found.scores.loss == pytest.approx(-np.log(shares[rows, truth]).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["10crop", "multiscale"])
def test_predict_answers_as_eval_does(
    name: str, net: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(net, photos, tmp_path / "out", views=name)
    answers = read_answers(tmp_path / "out" / "answers.npz")
    paths = [str(photos / place) for place in answers.place]

    main(["predict", str(net), *paths, "--views", name, "--json", "--top", "1", "--batch", "4"])
    told = capsys.readouterr()
    printed = json.loads(told.out)
    in_python = resnetlab.Classifier.load(net, device="cpu").predict(paths, views=name)

    assert printed["views"] == name and "views of each image are averaged" in told.err
    by_eval = [*zip(answers.answer.tolist(), answers.probability.tolist(), strict=True)]
    for found in ([each["answers"][0] for each in printed["images"]], in_python):
        shown = [
            (CLASSES.index(each["class"]), each["probability"])
            if isinstance(each, dict)
            else (each.answers[0].index, each.probability)
            for each in found
        ]
        assert [index for index, _ in shown] == [index for index, _ in by_eval]
        assert [share for _, share in shown] == pytest.approx([share for _, share in by_eval], rel=1e-5)


def test_predict_refuses_views_that_cannot_be(net: Path, photos: Path, tmp_path: Path) -> None:
    picture_at = str(photos / "ant" / "0.png")
    classifier = resnetlab.Classifier.load(net, device="cpu")
    with pytest.raises(UsageError, match=r"views"):
        classifier.predict(picture_at, views="11crop")
    export_model(unsure(), "onnx", tmp_path / "net.onnx")
    graph = resnetlab.Classifier.load(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"views=multiscale: .* is a graph"):
        graph.predict(picture_at, views="multiscale")
    ours, theirs = (each.predict(picture_at, views="10crop") for each in (classifier, graph))
    assert ours.probability == pytest.approx(theirs.probability, rel=1e-4)
    assert main(["predict", str(net), picture_at, "--views", "10crop", "--explain", str(tmp_path / "x")]) == 2


def test_the_views_matter_here(net: Path, photos: Path, tmp_path: Path) -> None:
    """Else the restatement would hold of one view too."""
    found = [
        evaluated(net, photos, tmp_path / each, views=each) for each in ("single", "10crop", "multiscale")
    ]

    assert len({round(each.scores.loss, 3) for each in found}) == 3
    assert len({tuple(read_answers(Path(each.out) / "answers.npz").answer) for each in found}) > 1


def test_images_that_are_not_resized_get_room_for_crops(tiny: Path, tmp_path: Path) -> None:
    found = evaluated(as_is(tmp_path), tiny, tmp_path / "out", views="10crop")

    _, truth, shares = restated(tiny, "10crop", shorter=36)
    assert found.scores.loss == pytest.approx(-np.log(shares[np.arange(12), truth]).mean(), rel=1e-5)
    assert found.views is not None and found.views.sides == (36,)


def test_the_result_says_its_views_everywhere(
    net: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("single", "10crop", "multiscale"):
        main(["eval", str(net), "--data", str(photos), "--views", name, "--insights", "0", "--workers", "0"])
        told = capsys.readouterr()
        is_said = f"% [{name}]" in told.out or f" [{name}]\n" in told.out
        assert is_said == ("views of each image are averaged" in told.err) == (name != "single")
    out = net.parent / "net-eval"
    scores = {path.parent.name: json.loads(path.read_text()) for path in out.parent.glob("*/*/scores.json")}
    scores |= {
        path.parent.name: json.loads(path.read_text()) for path in out.parent.glob("net-eval*/scores.json")
    }
    by_views = {each["views"]: (folder, each) for folder, each in scores.items()}

    assert {*by_views} == {"single", "10crop", "multiscale"}
    for name, (folder, each) in by_views.items():
        assert (name in folder) == (name != "single") == ("averaged_views" in each)
    assert by_views["10crop"][1]["averaged_views"] == {
        "number": 10, "sides": [36], "crop": 32, "mirrored": True, "averaged": "probabilities",
    }  # fmt: skip
    assert by_views["multiscale"][1]["averaged_views"]["sides"] == [*SIDES]
    said = "the probabilities of 10 views of each image are averaged: corners and middle, 32x32, of the image"
    assert any(note.startswith(said) for note in by_views["10crop"][1]["notes"])


def test_workers_change_no_byte(net: Path, photos: Path, tmp_path: Path) -> None:
    files = []
    for count in (0, 2):
        evaluated(net, photos, tmp_path / f"{count}", views="multiscale", workers=count)
        files.append((tmp_path / f"{count}" / "answers.npz").read_bytes())

    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["10crop", "multiscale"])
def test_an_engine_s_counts_are_the_networks(
    name: str, net: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_network = []
    average = answering.average

    def noting(answers: Any, *given: Any) -> Any:
        by_network.append(isinstance(answers, torch.nn.Module))
        return average(answers, *given)

    monkeypatch.setattr(answering, "average", noting)
    one, other = (
        evaluated(net, photos, tmp_path / each, views=name, engine=each) for each in ("reference", "torch")
    )

    assert other.engine_said == "torch (as asked)"
    assert by_network[0] and not by_network[-1], "where it is sure, the engine itself answers"
    assert one.scores.confusion_KK.tolist() == other.scores.confusion_KK.tolist()
    assert one.scores.loss == pytest.approx(other.scores.loss, rel=1e-5)


def test_where_the_mean_is_near_a_tie_the_network_answers(photos: Path, tmp_path: Path) -> None:
    """Two classes with the same weights, turned by less than roundings; see test_engines."""
    artefact = unsure()
    tensors = {name: tensor.clone() for name, tensor in artefact.tensors.items()}
    tensors["fc.weight"][1] = tensors["fc.weight"][0] * (1 + 1e-7)
    tensors["fc.bias"][1] = tensors["fc.bias"][0]
    tensors["fc.bias"][2] = -100.0
    export_model(replace(artefact, tensors=tensors), "folder", tmp_path / "tied")
    for engine in ("reference", "torch"):
        evaluated(tmp_path / "tied", photos, tmp_path / engine, views="10crop", engine=engine)

    one, other = ((tmp_path / each / "answers.npz").read_bytes() for each in ("reference", "torch"))
    assert one == other


def test_a_broken_image_and_one_too_long_are_left_out(net: Path, photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in CLASSES:
        (data / name).mkdir(parents=True)
        for number in range(3):
            (data / name / f"{number}.png").write_bytes((photos / name / f"{number}.png").read_bytes())
    (data / "bee" / "1.png").write_bytes(b"none")
    Image.new("RGB", (1200, 1)).save(data / "cat" / "2.png")

    with pytest.raises(DataError, match="not an image"):
        evaluated(net, data, tmp_path / "refused", views="multiscale")
    found = evaluated(net, data, tmp_path / "out", views="multiscale", bad_samples="50%")

    assert found.scores.seen == 7
    assert [place.split(":")[0] for place in found.bad_samples] == ["bee/1.png", "cat/2.png"]
    assert (
        "brought to 92 at the shorter side it would have 10,156,800, more than 8,388,608"
        in found.bad_samples[1]
    )
    assert evaluated(net, data, tmp_path / "crops", views="10crop", bad_samples="50%").scores.seen == 8


def refused(artefact: Artefact, data: Path, tmp_path: Path, target: str = "folder", **given: Any) -> str:
    place = tmp_path / ("net.onnx" if target == "onnx" else "net")
    export_model(artefact, target, place)
    with pytest.raises(UsageError) as error:
        evaluated(place, data, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
    return f"{error.value.args[0]}\n{error.value.hint}"


def test_views_of_another_name_are_refused(photos: Path, tmp_path: Path) -> None:
    assert "Did you mean 10crop?" in refused(small_artefact(), photos, tmp_path, views="ten-crop")


def test_a_mean_image_has_one_size(tiny: Path, tmp_path: Path) -> None:
    artefact = small_artefact("resnet8", kind="per-pixel-mean")
    told = refused(artefact, tiny, tmp_path, views="multiscale")
    assert "views=multiscale: " in told and "subtracts a mean image of 32x32 pixels" in told
    assert evaluated(tmp_path / "net", tiny, tmp_path / "crops", views="10crop").scores.seen == 12


def test_an_oblong_network_has_no_squares(photos: Path, tmp_path: Path) -> None:
    artefact = replace(
        small_artefact("resnet8"), image_shape=(32, 40, 3), preprocessing=Preprocessing(normaliser())
    )
    assert "they are squares" in refused(artefact, photos, tmp_path, views="10crop")


def test_average_pooled_shortcuts_take_squares_alone(photos: Path, tiny: Path, tmp_path: Path) -> None:
    artefact = small_artefact("resnet8", shortcut="A-avgpool")
    told = refused(artefact, photos, tmp_path, views="multiscale")
    assert "whole images have any size" in told and "views=10crop are squares" in told
    path = as_is(tmp_path, artefact)
    assert evaluated(path, tiny, tmp_path / "squares", views="multiscale").scores.seen == 12


def test_an_onnx_file_takes_one_size(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    artefact = unsure()
    told = refused(artefact, photos, tmp_path, "onnx", views="multiscale")
    assert "is a graph for images of 32x32 pixels" in told
    found = evaluated(tmp_path / "net.onnx", photos, tmp_path / "crops", views="10crop")
    _, truth, shares = restated(photos, "10crop")
    assert found.scores.loss == pytest.approx(-np.log(shares[np.arange(15), truth]).mean(), rel=1e-4)


def test_an_engine_for_one_size_is_refused_many(photos: Path, tmp_path: Path) -> None:
    told = refused(unsure(), photos, tmp_path, views="multiscale", engine="onnxruntime")
    assert "it is made for one size, and these images have many\nThere are reference, torch, and auto" in told


def test_the_curve_of_checkpoints_is_of_single_views(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(net), "--all", "--views", "10crop"]) == 2
    assert "--all and --watch score the single view" in capsys.readouterr().err


def test_a_mean_answer_is_not_explained_by_one_view(net: Path, photos: Path, tmp_path: Path) -> None:
    found = evaluated(net, photos, tmp_path / "out", views="10crop", insights=30)
    assert found.insights is not None
    told = json.loads((tmp_path / "out" / "insights" / "insights.json").read_text())
    assert "Grad-CAM: it is of one view, and the answers are means over several." in told["left_out"]
    assert told["worst"] and all(row["cam"] is None and row["image"] for row in told["worst"])


def test_large_jpegs_are_decoded_for_the_largest_size(tmp_path: Path) -> None:
    artefact = unsure()
    pre = artefact.preprocessing
    drafted = Preprocessing(pre.normaliser, Geometry(32, 36, uses_draft=True))
    from resnetlab.data.images.image import EncodedImage
    from resnetlab.evaluation.views import views_of

    image = EncodedImage(picture(3, size=(800, 640)), "big.jpg")
    views = views_of("multiscale", side=32, resize=36, stride=4)
    assert views is not None
    full, quick = pre.views(image, views), drafted.views(image, views)
    assert [each.shape for each in full] == [each.shape for each in quick] == [
        (32, 40, 3), (36, 45, 3), (56, 70, 3), (68, 85, 3), (92, 115, 3)
    ]  # fmt: skip
    for one, other in zip(full, quick, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 3
