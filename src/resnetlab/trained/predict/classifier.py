"""Classifier: a trained network and its preprocessing, in three lines.

Axes: N images, C channels, H height, W width, K classes, F features.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from resnetlab.base.lettering import in_a_line
from resnetlab.base.pages import cell
from resnetlab.base.units import first_of, format_count
from resnetlab.data.batches.normalise import to_NCHW
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.feeding import evaluation_batch
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.views import groups
from resnetlab.engines.growing import Growing
from resnetlab.engines.names import AUTO
from resnetlab.errors import CheckpointError, DataError, UsageError, nearest
from resnetlab.evaluation.averaging import View
from resnetlab.evaluation.metrics import answer_logits
from resnetlab.evaluation.views import SINGLE, Views
from resnetlab.insights.explaining import Explanation, explain
from resnetlab.models import ResNet
from resnetlab.models.layers import at
from resnetlab.trained.artefact.class_names import logit_note
from resnetlab.trained.artefact.loading import refuse_choice
from resnetlab.trained.artefact.model import Artefact, Description
from resnetlab.trained.artefact.onnx_model import load_onnx
from resnetlab.trained.artefact.opening import open_artefact
from resnetlab.trained.predict.pictures import Picture, encode
from resnetlab.trained.predict.prediction import Answer, Prediction
from resnetlab.trained.predict.reading import read_file
from resnetlab.trained.predict.viewing import refuse_long_images, views_for
from resnetlab.training.step.device import pick_device

BATCH = 32
_MOST_KEPT = 64  # pictures of a call whose pixels its predictions keep, for a notebook to show
_MOST_CLASSES = 12  # named in a cell
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Classifier:
    """A network in evaluation mode that takes pictures.

    Attributes:
        model: The network, a ResNet, or the graph of an ONNX file.
        description: Its classes, its preprocessing, where it comes from.
        device: Where it computes.
        notes: What its user should know.
    """

    def __init__(
        self,
        model: nn.Module,
        description: Description,
        preprocessing: Preprocessing,
        device: torch.device,
        notes: tuple[str, ...] = (),
        engine: str = AUTO,
    ) -> None:
        self.device = device
        self._engines = Growing(engine)
        self.model = model.to(device).eval()
        self.description, self.preprocessing, self.notes = description, preprocessing, notes

    @classmethod
    def load(
        cls, path: Path | str, *, device: str = "auto", weights: str = "auto", engine: str = AUTO
    ) -> "Classifier":
        """Return the classifier at `path`.

        Args:
            path: A run, a checkpoint, a model folder, a .safetensors or .onnx file of ours, or weights of
                another program, which are read as `import_weights` reads them; the notes say how.
            device: auto, cpu, cuda, cuda:1 or mps; ONNX files run on the CPU.
            weights: Of a run: "plain", "averaged", or "auto": averaged if there are any.
            engine: Who makes the logits: one of `engines.names.ENGINES`, or "auto": the network in torch, and
                once there has been work for seconds, who is done with such work first. Answers are the
                network's whoever makes them, probabilities to within roundings.

        Raises:
            UsageError: If there is no such thing.
            CheckpointError: If it is damaged.
        """
        if Path(path).suffix.lower() == ".onnx":
            refuse_choice(Path(path), weights)
            if device not in ("auto", "cpu"):
                raise UsageError(f"{path}: an ONNX file runs on the CPU here, not on {device}")
            graph = load_onnx(path)
            said = logit_note(graph.description.class_names, graph.description.spec.classes)
            notes, cpu = (*graph.notes, *said), torch.device("cpu")
            return cls(graph, graph.description, graph.preprocessing, cpu, notes, engine)
        return cls.of(open_artefact(path, weights=weights), device=device, engine=engine)

    @classmethod
    def of(
        cls, artefact: Artefact, *, device: str = "auto", channels_last: bool = True, engine: str = AUTO
    ) -> "Classifier":
        """Return the classifier that an artefact is.

        Args:
            artefact: The network.
            device: auto, cpu, cuda, cuda:1 or mps.
            channels_last: Whether its numbers lie in memory so, which is faster.
            engine: As `load`.

        Raises:
            UsageError: If there is no such device.
            CheckpointError: If its tensors are not its network's.
        """
        order = torch.channels_last if channels_last else torch.contiguous_format
        model = artefact.model().to(memory_format=order)  # type: ignore[call-overload]
        said = (*artefact.notes, *logit_note(artefact.class_names, artefact.spec.classes))
        notes = tuple(dict.fromkeys(said))
        return cls(model, artefact, artefact.preprocessing, pick_device(device), notes, engine)

    @property
    def engine(self) -> str:
        """The name of who made the last logits; empty before the first."""
        return self._engines.name

    @property
    def engine_said(self) -> str:
        """Who made the last logits, and why it was that one, in a few words; empty before the first."""
        return self._engines.said

    def expect(self, images: int, views: Views | None = None) -> None:
        """Tell how many images will be answered in all, or of how many views: for many an engine is made."""
        self._engines.expect(images * (views.num_views if views else 1))

    def views(self, name: str) -> Views | None:
        """Return the views of this name for pictures of any size; None is the single one.

        Raises:
            UsageError: If there are none of this name, or they make no sense for the network.
        """
        found = self.views_of_squares(name)
        if found:
            refuse_long_images(self.description.spec, found)
        return found

    def views_of_squares(self, name: str) -> Views | None:
        """Return the same where pictures may have to be squares; see `viewing.views_for`."""
        is_network = isinstance(self.model, ResNet)
        return views_for(name, self.description, self.preprocessing, takes_any_size=is_network)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the logits."""
        return self.description.class_names

    @overload  # a str is a sequence of str, but the first that fits counts
    def predict(  # type: ignore[overload-overlap]
        self, pictures: Picture, *, top_k: int = 5, batch: int = BATCH, views: str = SINGLE
    ) -> Prediction: ...
    @overload
    def predict(
        self, pictures: Sequence[Picture], *, top_k: int = 5, batch: int = BATCH, views: str = SINGLE
    ) -> list[Prediction]: ...
    def predict(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        top_k: int = 5,
        batch: int = BATCH,
        views: str = SINGLE,
    ) -> Prediction | list[Prediction]:
        """Return the most probable classes of a picture, or of each of a list.

        Args:
            pictures: Each a path, the content of a file, an array uint8 (H, W, C) or (H, W), or a
                picture of Pillow.
            top_k: Classes told of each; all, if there are fewer.
            batch: Pictures computed at once.
            views: "single", or those whose probabilities are averaged: "10crop", "multiscale"; see
                `evaluation.views`.

        Raises:
            DataError: If a picture is damaged or no image.
            UsageError: If it is none of these, or the views make no sense for the network.
        """
        self.refuse_backbone()
        if top_k < 1 or batch < 1:
            raise UsageError(f"top_k and batch must be at least 1, got {top_k} and {batch}")
        many, shown = _many(pictures), self.views(views)
        self.expect(len(many), shown)
        found = []
        for start in range(0, len(many), batch):
            part = many[start : start + batch]
            images = [encode(each, f"image {index}") for index, each in enumerate(part, start)]
            if shown:
                parts = _each(partial(self.preprocessing.views, views=shown), images)
                pixels, logits_NK = [of_one[-1] for of_one in parts], self.averaged(parts, shown)
            else:
                pixels = _each(self.pixels, images)
                logits_NK = self.logits(pixels)
            answers = self.answers(logits_NK, [image.place for image in images], top_k)
            if len(many) <= _MOST_KEPT:
                answers = [replace(each, pixels=seen) for each, seen in zip(answers, pixels, strict=True)]
            found += answers
        return found[0] if isinstance(pictures, _ONE) else found

    def features(self, pictures: Picture | Sequence[Picture], *, batch: int = BATCH) -> np.ndarray:
        """Return what the classifier reads, the pooled features of the last stage.

        Returns:
            float32 (F,) for one picture, (N, F) for a list.

        Raises:
            DataError, UsageError: As `predict`; an ONNX file gives no features.
        """
        many = _many(pictures)
        parts = []
        for start in range(0, len(many), batch):
            part = many[start : start + batch]
            images = [encode(each, f"image {index}") for index, each in enumerate(part, start)]
            parts.append(self.logits_and_features(_each(self.pixels, images))[1].cpu().numpy())
        width = self.description.spec.out_channels[-1]
        found = np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
        return np.asarray(found[0] if isinstance(pictures, _ONE) else found)

    def explain(self, picture: Picture, class_name: str | None = None) -> Explanation:
        """Return which places of the picture speak for a class: Grad-CAM on the last stage's output.

        Args:
            picture: As `predict` takes it.
            class_name: The class; None is the most probable one.

        Raises:
            UsageError: If there is no such class, or the network is an ONNX file.
            DataError: As `predict`.
        """
        self.refuse_unknown(class_name)
        image = encode(picture)
        return self.explain_pixels(self.pixels(image), class_name, image.place)

    def explain_pixels(self, pixels: Pixels, class_name: str | None, place: str) -> Explanation:
        """Return the same of an image as `pixels` gives it, from this place; raises as `explain`."""
        self.refuse_unknown(class_name)
        names = self.class_names
        index = None if class_name is None else names.index(class_name)
        explanation = explain(self._network(), pixels, self.prepare([pixels]), names, index, place)
        self.refuse_non_finite(explanation.probability)
        return explanation

    def refuse_unknown(self, class_name: str | None) -> None:
        """Raise UsageError if there is no such class, or no classifier at all; None is any."""
        self.refuse_backbone()
        if class_name is not None and class_name not in self.class_names:
            raise UsageError(f"no class {class_name!r}", hint=nearest(class_name, self.class_names))

    def pixels(self, image: EncodedImage) -> Pixels:
        """Return an image as evaluation sees it, uint8 (H, W, C).

        Raises:
            DataError: If it is damaged, no image, or of another size than the network's.
        """
        pixels = self.preprocessing.pixels(image)
        (height, width), (wanted_height, wanted_width) = pixels.shape[:2], self.description.image_shape[:2]
        if (height, width) != (wanted_height, wanted_width):
            raise DataError(
                f"{image.place}: {width}x{height} pixels; the network takes {wanted_width}x{wanted_height}"
            )
        return pixels

    def read_all(self, paths: Sequence[str]) -> list[tuple[str, Pixels | DataError]]:
        """Return each file's image as `pixels` does, or what is wrong with it; several at a time."""
        return _read_each(self.pixels, paths)

    def read_views(self, paths: Sequence[str], views: Views) -> list[tuple[str, list[Pixels] | DataError]]:
        """Return each file's views, without their mirror images, or what is wrong with it."""
        return _read_each(partial(self.preprocessing.views, views=views), paths)

    def prepare(self, pixels: Sequence[Pixels] | Pixels) -> Tensor:
        """Return the network's input, float32 (N, C, H, W), on its device, of images uint8 (H, W, C)."""
        images_NHWC = torch.from_numpy(np.asarray(pixels)).to(self.device)
        return to_NCHW(self.preprocessing.normaliser(images_NHWC), channels_last=True)

    def refuse_backbone(self) -> None:
        """Raise UsageError if the network has no classifier."""
        if not self.description.has_classifier:
            raise UsageError(
                f"{self.description.origin}: the network has no classifier, and answers nothing",
                hint="`predict --features FILE` gives its features; `finetune --weights` adds a classifier.",
            )

    @torch.inference_mode()
    def logits(self, pixels: Sequence[Pixels]) -> Tensor:
        """Return the logits (N, K) of prepared images.

        Raises:
            UsageError: If the network has no classifier.
            CheckpointError: If one is no finite number.
        """
        self.refuse_backbone()
        logits_NK = self._engines.logits(self.model, self.prepare(pixels))
        self.refuse_non_finite(logits_NK)
        return logits_NK

    @torch.inference_mode()
    def averaged(self, pictures: Sequence[Sequence[Pixels]], views: Views) -> Tensor:
        """Return the logarithms of the probabilities (N, K) of images, averaged over their views.

        Args:
            pictures: The views of each image, without their mirror images, uint8 (H, W, C).
            views: Which these are.

        Raises:
            UsageError, CheckpointError: As `logits`.
        """
        self.refuse_backbone()

        def shown() -> Iterator[View]:
            for pixels, rows in groups(pictures, evaluation_batch):
                yield View(self.prepare(pixels), torch.tensor(rows, device=self.device))

        logits_NK = self._engines.averaged(
            self.model, shown, len(pictures), num_views=views.num_views, has_many_sizes=not views.crop
        )
        self.refuse_non_finite(logits_NK)
        return logits_NK

    @torch.inference_mode()
    def logits_and_features(self, pixels: Sequence[Pixels]) -> tuple[Tensor, Tensor]:
        """Return the logits (N, K) and what the classifier read for them (N, F); K is 0 without one.

        Raises:
            UsageError: If the network is an ONNX file.
            CheckpointError: If a logit is no finite number.
        """
        model, kept = self._network(), []
        head = at(model, model.tail_chain[-1])
        handle = head.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            logits_NK = model(self.prepare(pixels))
        finally:
            handle.remove()
        features_NF = kept[0].flatten(1)
        if not self.description.has_classifier:
            logits_NK = logits_NK[:, :0]
        self.refuse_non_finite(logits_NK)
        self.refuse_non_finite(features_NF)
        return logits_NK, features_NF

    def refuse_non_finite(self, answers: Tensor | float) -> None:
        """Raise CheckpointError if one of the network's answers is no finite number."""
        if not torch.as_tensor(answers).isfinite().all():
            raise CheckpointError(
                f"{self.description.origin}: answers with infinite numbers or NaN",
                hint="Its weights are damaged, or they diverged in training: take an earlier checkpoint.",
            )

    def answers(self, logits_NK: Tensor, places: Sequence[str], top_k: int) -> list[Prediction]:
        """Return the most probable classes by the logits of images from these places."""
        top = answer_logits(logits_NK.float()).softmax(1).topk(min(top_k, len(self.class_names)), dim=1)
        return [
            Prediction(
                place,
                tuple(Answer(self.class_names[k], p, k) for p, k in zip(values, indices, strict=True)),
            )
            for place, values, indices in zip(places, top.values.tolist(), top.indices.tolist(), strict=True)
        ]

    def __repr__(self) -> str:
        spec, (height, width, _) = self.description.spec, self.description.image_shape
        classes = f"{len(self.class_names):,} classes" if self.description.has_classifier else "features only"
        return f"<Classifier {in_a_line(spec.name)}: {classes}, images of {height}x{width}, on {self.device}>"

    def _repr_html_(self) -> str:
        description, spec = self.description, self.description.spec
        height, width, channels = description.image_shape
        names = first_of(self.class_names, _MOST_CLASSES)
        facts = {
            "answers": f"{len(self.class_names):,} classes: {names}",
            "takes": f"any picture, as {height}x{width} pixels, {'grey' if channels == 1 else 'colour'}",
            "size": f"{format_count(spec.num_parameters)} parameters, {spec.depth} layers",
            "computes on": str(self.device),
        }
        if not description.has_classifier:
            facts["answers"] = "nothing: it has no classifier, and gives features"
        notes = [cell.paragraph(f"note: {note}", is_faint=True) for note in self.notes]
        use = cell.code('classifier.predict("picture.jpg")\nclassifier.explain("picture.jpg")')
        return cell.cell(spec.name, cell.facts(facts), *notes, use, about=description.origin)

    def _network(self) -> ResNet:
        if not isinstance(self.model, ResNet):
            raise UsageError(
                "an ONNX file gives answers only, no features and no explanations",
                hint="Take the run or the model folder that it was exported from.",
            )
        return self.model


def _each(function: Callable[[_In], _Out], values: Sequence[_In]) -> list[_Out]:
    """Return the function of each value; Pillow decodes on several cores at once."""
    with ThreadPoolExecutor(max(1, min(len(values), os.cpu_count() or 1))) as pool:
        return list(pool.map(function, values))


def _read_each(
    see: Callable[[EncodedImage], _Out], paths: Sequence[str]
) -> list[tuple[str, _Out | DataError]]:
    """Return what is seen of each file, or what is wrong with it."""

    def read(path: str) -> _Out | DataError:
        try:
            return see(read_file(path))
        except DataError as error:
            return error

    return list(zip(paths, _each(read, paths), strict=True))


def _many(pictures: object) -> Sequence[Picture]:
    """Return the pictures as a list of them, whether it is one or several.

    Raises:
        UsageError: If it is neither.
    """
    if isinstance(pictures, bytearray) or not isinstance(pictures, (Sequence, *_ONE)):
        raise UsageError(
            f"a {type(pictures).__name__} is no path, bytes, array or Pillow picture, and no list of them",
            hint="Of anything else: list(...) of a generator, the content of a stream by its read(),"
            " (tensor_HWC.numpy() * 255).round().astype('uint8') of a tensor from 0 to 1.",
        )
    return [pictures] if isinstance(pictures, _ONE) else pictures


_ONE = (str, Path, bytes, np.ndarray, Image.Image)
