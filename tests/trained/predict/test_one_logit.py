"""One logit tells two classes apart: its sigmoid is the probability of the second."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from resnetlab import Classifier, evaluate, load_weights
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.evaluation.metrics import Scoring, answer_logits
from resnetlab.network.catalog import model_spec
from resnetlab.trained.artefact import Artefact, import_weights, write_folder
from resnetlab.trained.artefact.folder import from_safetensors, to_safetensors
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import classifier_of, small_artefact
from tests.kit.foreign_weights import lively
from tests.kit.pictures import pixels, write_pictures


def one_logit(names: tuple[str, ...] = ("cat", "dog")) -> Artefact:
    """Three channels, logits of both signs."""
    made = small_artefact(names=("a", "b"))
    spec = made.spec.with_(classes=1)
    tensors = dict(made.tensors) | {key: made.tensors[key][:1] * 3 for key in ("fc.weight", "fc.bias")}
    return Artefact(**(vars(made) | {"spec": spec, "class_names": names, "tensors": tensors}))


def logit_of(artefact: Artefact, pictures: list[np.ndarray]) -> np.ndarray:
    classifier = classifier_of(artefact)
    return classifier.logits(classifier_pixels(classifier, pictures)).double().numpy()[:, 0]


def classifier_pixels(classifier: Classifier, pictures: list[np.ndarray]) -> list[np.ndarray]:
    from resnetlab.trained.predict.pictures import encode

    return [classifier.pixels(encode(each)) for each in pictures]


def test_both_answers_are_told_and_are_the_sigmoid() -> None:
    artefact, pictures = one_logit(), [pixels(seed) for seed in range(6)]
    logits = logit_of(artefact, pictures)

    found = classifier_of(artefact).predict(pictures)

    for logit, prediction in zip(logits, found, strict=True):
        told = {answer.class_name: answer.probability for answer in prediction.answers}
        assert told["dog"] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
        assert told["cat"] == pytest.approx(1 / (1 + np.exp(logit)), rel=1e-5)
        assert prediction.class_name == ("dog" if logit > 0 else "cat")


def test_the_explanation_is_of_the_class_that_was_asked_for() -> None:
    classifier, picture = classifier_of(one_logit()), pixels(1)
    maps = {name: classifier.explain(picture, name) for name in ("cat", "dog")}

    assert maps["cat"].probability + maps["dog"].probability == pytest.approx(1)
    assert not np.array_equal(maps["cat"].map, maps["dog"].map)


def test_scoring_one_logit_is_the_binary_cross_entropy() -> None:
    logits, labels = torch.randn(50, 1, generator=torch.Generator().manual_seed(0)) * 4, torch.arange(50) % 2
    scoring = Scoring(2, torch.device("cpu"))
    scoring.add(logits, labels)
    scores = scoring.scores()

    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    assert scores.loss == pytest.approx(float(expected), rel=1e-6)
    assert scores.correct == int(((logits[:, 0] > 0).long() == labels).sum())


def test_two_logits_and_more_stay_as_they_are() -> None:
    logits = torch.randn(2, 3)
    assert answer_logits(logits) is logits


def test_eval_scores_two_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for label in ("cat", "dog"):
            write_pictures(tmp_path / "data" / part / label, 3)
    write_folder(one_logit(), tmp_path / "net")

    found = evaluate(tmp_path / "net", data=str(tmp_path / "data"), device="cpu")

    assert (found.scores.seen, found.scores.correct) == (6, 3)  # the same three pictures in both
    assert any("its sigmoid is the probability" in note for note in found.notes)
    assert [row["class"] for row in found.per_class()] == ["cat", "dog"]


@pytest.mark.parametrize("target", ["onnx", "torch-export"])
def test_the_pixel_graphs_give_two_probabilities(tmp_path: Path, target: str) -> None:
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    artefact, suffix = one_logit(), {"onnx": ".onnx", "torch-export": ".pt2"}[target]
    pictures = [pixels(seed, (32, 32)) for seed in range(3)]
    path = tmp_path / f"net{suffix}"
    export_model(artefact, target, path, takes_pixels=True)

    images = torch.from_numpy(np.stack(pictures))
    if target == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"images": images.numpy()})
        answers = Classifier.load(path).predict(pictures)
        assert [each.class_name for each in answers] == [("cat", "dog")[i] for i in found.argmax(1)]
    else:
        found = torch.export.load(path).module()(images).detach().numpy()

    with torch.no_grad():
        made = artefact.preprocessing.normaliser(images).permute(0, 3, 1, 2)
        yes = torch.sigmoid(artefact.model()(made).double())[:, 0].numpy()
    assert found == pytest.approx(np.column_stack([1 - yes, yes]), abs=1e-5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((), ("class 0", "class 1")), (("dog",), ("not dog", "dog")), (("no", "yes"), ("no", "yes"))],
)
def test_an_imported_logit_has_two_names_and_says_so(
    tmp_path: Path, given: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    path = tmp_path / "binary.safetensors"
    save_file(lively("resnet8", classes=1).state_dict(), path)

    artefact, _ = import_weights(path, class_names=given)

    assert artefact.class_names == expected
    assert any(
        f'probability of "{expected[1]}", the rest that of "{expected[0]}"' in n for n in artefact.notes
    )
    with pytest.raises(UsageError, match="3 class names, but the network has 2"):
        import_weights(path, class_names=("a", "b", "c"))


def test_a_description_of_one_name_as_0_1_0_wrote_it_is_read() -> None:
    artefact = one_logit()
    texts = artefact.to_texts()
    for written, expected in (('["class 0"]', ("class 0", "class 1")), ('["dog"]', ("not dog", "dog"))):
        content = to_safetensors(artefact.tensors, _Texts(texts | {"class_names": written}))  # type: ignore[arg-type]
        assert from_safetensors(content, "x").class_names == expected


class _Texts:
    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def to_texts(self) -> dict[str, str]:
        return self._texts


def test_two_classes_begin_with_one_logit_exactly(tmp_path: Path) -> None:
    """What fine-tuning with head=strict or keep-shared does with it."""
    model, path = lively("resnet8", classes=1), tmp_path / "binary.safetensors"
    save_file(model.state_dict(), path)
    images = torch.randn(4, 3, 32, 32)

    state, report = load_weights(model_spec("resnet8").with_(classes=2), path)

    two = lively("resnet8", classes=2)
    two.load_state_dict(state)
    with torch.no_grad():
        expected = torch.sigmoid(model.eval()(images))[:, 0]
        found = two.eval()(images).softmax(1)[:, 1]
    assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-5)
    assert any("one logit became two" in note for note in report.notes)


def test_an_old_pixel_graph_of_one_logit_is_refused(tmp_path: Path) -> None:
    """Its softmax of one logit is always 1."""
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    path = tmp_path / "net.onnx"
    export_model(one_logit(), "onnx", path, takes_pixels=True)
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    for node in model.graph.node:
        node.input[:] = ["fc" if name == "logits.sides" else name for name in node.input]
    path.write_bytes(model.SerializeToString())

    with pytest.raises(CheckpointError, match=r"to \[1\], its description says .* to \[2\]"):
        Classifier.load(path)
