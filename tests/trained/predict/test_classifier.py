"""Predictions are what evaluation computes, whatever form a picture comes in."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnetlab.data.feeding import Reading
from resnetlab.data.folders.folder import open_folder
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.runs.directory import RunDirectory
from resnetlab.trained.export.exporting import export_model
from resnetlab.trained.predict import Classifier
from resnetlab.trained.predict.pictures import read_file
from tests.kit.artefacts import classifier_of, small_artefact
from tests.kit.pictures import pixels, write_pictures
from tests.kit.small_runs import CPU, small_source


def reading_of(classifier: Classifier) -> Reading:
    return Reading(
        preprocessing=classifier.preprocessing,
        recipe=named_recipe("quick"),
        device=CPU,
        size=classifier.description.image_shape[:2],
    )


@pytest.mark.parametrize("name", ["resnet8", "preresnet20"])
def test_the_files_of_a_folder_get_the_logits_of_eval_to_the_bit(tmp_path: Path, name: str) -> None:
    """Of the same batch; alone the sums come in another order, within 1e-5 of the largest logit."""
    for part in ("train", "test"):
        for index, label in enumerate(("ant", "bee", "cat")):
            write_pictures(tmp_path / part / label, 2, (40 + index, 70))
    source = open_folder(tmp_path)
    classifier = classifier_of(small_artefact(name))
    (batch,) = reading_of(classifier).evaluation_set("test", source.test).batches(range(1))
    with torch.inference_mode():
        expected = classifier.model(batch.images)

    files = [str(tmp_path / source.test.place(index)) for index in range(len(source.test))]
    images = [image for _, image in classifier.read_all(files)]
    found = classifier.logits([image for image in images if not isinstance(image, DataError)])

    assert torch.equal(found, expected)
    alone = torch.cat([classifier.logits([classifier.pixels(read_file(Path(file)))]) for file in files])
    assert float((alone - expected).abs().max() / expected.abs().max()) < 1e-5


def test_a_runs_images_written_as_files_get_the_runs_logits_to_the_bit(
    run: RunDirectory, tmp_path: Path
) -> None:
    test = small_source().test
    classifier = Classifier.load(run.path, device="cpu")
    (batch,) = reading_of(classifier).evaluation_set("test", test).batches(range(1))
    with torch.inference_mode():
        expected = classifier.model(batch.images)
    files = [tmp_path / f"{index}.png" for index in range(len(test))]
    for file, image in zip(files, test.images, strict=True):
        Image.fromarray(image).save(file)

    found = classifier.logits([classifier.pixels(read_file(file)) for file in files])

    assert torch.equal(found, expected)
    answers = [each.class_name for each in classifier.predict(files, top_k=1)]
    assert answers == ["abc"[index] for index in expected.argmax(1).tolist()]


def test_every_form_of_a_picture_gets_the_same_answer(tmp_path: Path) -> None:
    classifier = classifier_of(small_artefact())
    (path,) = write_pictures(tmp_path, 1)
    array = pixels(0)
    forms = [
        path,
        str(path),
        path.read_bytes(),
        array,
        Image.open(path),
        np.dstack([array, array[..., :1] | 255]),
    ]

    answers = [classifier.predict(form).answers for form in forms]

    assert len(answers[0]) == 3
    assert all(answer == answers[0] for answer in answers)
    assert sum(answer.probability for answer in answers[0]) == pytest.approx(1)
    grey = Image.open(path).convert("L")
    assert classifier.predict(grey).answers == classifier.predict(np.array(grey)[..., None]).answers


def test_a_picture_of_pillow_keeps_its_orientation() -> None:
    classifier = classifier_of(small_artefact())
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(pixels(1)).save(stream, "PNG", exif=exif)

    opened = Image.open(io.BytesIO(stream.getvalue()))
    assert classifier.predict(opened).answers == classifier.predict(stream.getvalue()).answers
    assert classifier.predict(opened).answers != classifier.predict(pixels(1)).answers


def test_one_gives_one_and_a_list_a_list_in_its_order(tmp_path: Path) -> None:
    classifier = classifier_of(small_artefact())
    paths = write_pictures(tmp_path, 5)

    many = classifier.predict(paths, batch=2, top_k=2)

    assert [each.place for each in many] == [str(path) for path in paths]
    for one, path in zip(many, paths, strict=True):
        alone = classifier.predict(path, top_k=2)
        assert [each.class_name for each in one.answers] == [each.class_name for each in alone.answers]
        assert one.probability == pytest.approx(alone.probability, abs=1e-5)
        assert one.answers[0].probability >= one.answers[1].probability
    assert classifier.predict([]) == []


def test_an_onnx_file_answers_as_the_network(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    artefact = small_artefact()
    paths = write_pictures(tmp_path / "images", 3)
    expected = classifier_of(artefact).predict(paths)

    for takes_pixels in (False, True):
        export_model(artefact, "onnx", tmp_path / "net.onnx", takes_pixels=takes_pixels, replaces=True)
        classifier = Classifier.load(tmp_path / "net.onnx")
        for one, other in zip(classifier.predict(paths), expected, strict=True):
            assert [each.class_name for each in one.answers] == [each.class_name for each in other.answers]
            for mine, theirs in zip(one.answers, other.answers, strict=True):
                assert mine.probability == pytest.approx(theirs.probability, abs=1e-5)
    (tmp_path / "NET.ONNX").write_bytes((tmp_path / "net.onnx").read_bytes())
    assert Classifier.load(tmp_path / "NET.ONNX").predict(paths) == classifier.predict(paths)
    (tmp_path / "net.bin").write_bytes((tmp_path / "net.onnx").read_bytes())
    with pytest.raises(CheckpointError, match=r"an ONNX file of ours whose name ends in \.onnx"):
        Classifier.load(tmp_path / "net.bin")
    with pytest.raises(UsageError, match="no features and no explanations"):
        classifier.features(paths)
    with pytest.raises(UsageError, match="runs on the CPU here"):
        Classifier.load(tmp_path / "net.onnx", device="cuda")


@pytest.mark.parametrize("name", ["resnet8", "preresnet20"])
def test_features_are_what_the_classifier_reads(tmp_path: Path, name: str) -> None:
    artefact = small_artefact(name)
    classifier = classifier_of(artefact)
    paths = write_pictures(tmp_path, 3)

    features = classifier.features(paths, batch=2)

    head = "fc" if name == "resnet8" else "head.fc"
    weight, bias = (artefact.tensors[f"{head}.{leaf}"] for leaf in ("weight", "bias"))
    logits = classifier.logits([classifier.pixels(read_file(path)) for path in paths])
    assert features.shape == (3, 64)
    assert torch.allclose(torch.from_numpy(features) @ weight.T + bias, logits, atol=1e-4)
    assert classifier.features(paths[1]) == pytest.approx(features[1], rel=1e-5, abs=1e-4)


def test_grad_cam_of_a_pooled_network_is_its_class_activation_map(tmp_path: Path) -> None:
    """Behind the last maps are only mean and matrix: the gradient is the class's row over the area.

    Then equation 2 of Selvaraju et al. is the map of Zhou et al., 2016, up to a factor.
    """
    artefact = small_artefact()
    classifier = classifier_of(artefact)
    (path,) = write_pictures(tmp_path, 1)
    kept = []
    classifier.model.layer3[0].register_forward_hook(lambda _, __, output: kept.append(output.clone()))
    for index, name in enumerate(("ant", "bee", "cat")):
        explanation = classifier.explain(path, name)

        maps = kept[-1][0].detach()
        expected = (artefact.tensors["fc.weight"][index][:, None, None] * maps).sum(0).relu()
        assert explanation.class_name == name
        assert explanation.map.shape == (8, 8)
        assert torch.allclose(torch.from_numpy(explanation.map), expected / expected.max(), atol=1e-5)


def test_grad_cam_of_a_preactivated_network_follows_the_gradient(tmp_path: Path) -> None:
    """The weight of a map is how much the logit grows when the map does, by a small difference."""
    classifier = classifier_of(small_artefact("preresnet20"))
    network = classifier.model.double()
    picture = pixels(3, (32, 32))
    prepared = classifier.prepare([picture]).double()
    last = network.stages[2].blocks[2]
    kept: list[torch.Tensor] = []
    handle = last.register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    with torch.no_grad():
        logit = network(prepared)[0, 1]
        handle.remove()
        maps, step = kept[0][0], 1e-6
        weights = []
        for channel in range(len(maps)):
            raised = kept[0].clone()
            raised[0, channel] += step
            handle = last.register_forward_hook(lambda _, __, ___, raised=raised: raised)
            weights.append(float(network(prepared)[0, 1] - logit) / step / maps[0].numel())
            handle.remove()
    expected = (torch.tensor(weights)[:, None, None] * maps).sum(0).relu()

    from resnetlab.insights.explaining import explain

    explanation = explain(network, picture, prepared, classifier.class_names, 1, "here")

    found = torch.from_numpy(explanation.map).double()
    assert torch.allclose(found, expected / expected.max(), atol=1e-3)


def test_the_most_probable_class_is_explained_by_itself_and_the_picture_shines_through() -> None:
    classifier = classifier_of(small_artefact())
    explanation = classifier.explain(pixels(4))

    assert explanation.class_name == classifier.predict(pixels(4)).class_name
    assert explanation.probability == pytest.approx(classifier.predict(pixels(4)).probability, abs=1e-5)
    dark = replace(explanation, map=np.zeros_like(explanation.map))
    assert np.array_equal(dark.overlay(strength=0.9)[..., 0] > 0, dark.pixels[..., 0] > 0)
    assert np.array_equal(dark.overlay(), dark.pixels)
    assert not np.array_equal(explanation.overlay(), explanation.pixels)
    image = Image.open(io.BytesIO(explanation.png()))
    assert image.size == (224, 224)


def test_explaining_leaves_the_network_as_it_was() -> None:
    classifier = classifier_of(small_artefact())
    before = {key: tensor.clone() for key, tensor in classifier.model.state_dict().items()}
    with torch.inference_mode(False):
        classifier.explain(pixels(5))

    assert all(torch.equal(before[key], tensor) for key, tensor in classifier.model.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.model.parameters())
    assert not any(module._forward_hooks for module in classifier.model.modules())


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda c: c.predict(b"<!doctype html>"), DataError, "the bytes look like an HTML page"),
        (lambda c: c.predict("nowhere.jpg"), DataError, "nowhere.jpg: cannot be read"),
        (lambda c: c.predict(np.zeros((4, 4, 3))), UsageError, r"float64 \(4, 4, 3\) is no image"),
        (lambda c: c.predict([3.5]), UsageError, "image 0 is a float"),
        (lambda c: c.predict(pixels(0), top_k=0), UsageError, "top_k and batch must be at least 1"),
        (lambda c: c.explain(pixels(0), "bees"), UsageError, "no class 'bees'\nDid you mean bee"),
    ],
)
def test_what_cannot_be_is_told(call, kind, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=message):
        call(classifier_of(small_artefact()))


def test_a_network_of_oblong_images_takes_those_only(tmp_path: Path) -> None:
    artefact = small_artefact()
    oblong = replace(
        artefact,
        image_shape=(32, 48, 3),
        preprocessing=replace(artefact.preprocessing, geometry=type(artefact.preprocessing.geometry)(0, 0)),
    )
    classifier = classifier_of(oblong)

    assert len(classifier.predict(pixels(0, (32, 48))).answers) == 3
    with pytest.raises(DataError, match="40x32 pixels; the network takes 48x32"):
        classifier.predict(pixels(0, (32, 40)))
