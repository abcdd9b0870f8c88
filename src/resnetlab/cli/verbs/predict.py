"""`resnetlab predict`."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from resnetlab.base import files
from resnetlab.base.lettering import in_a_line
from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import csv_text
from resnetlab.base.units import first_of
from resnetlab.cli.flags import add_device, add_engine, add_model, add_threads, add_views, add_weights
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.engines.names import AUTO, REFERENCE
from resnetlab.errors import DataError, UsageError
from resnetlab.evaluation.views import SINGLE
from resnetlab.recipe import Execution
from resnetlab.runs.directory import RunDirectory, is_run
from resnetlab.show.tables.align import table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from resnetlab.data.images.geometry import Pixels
    from resnetlab.evaluation.views import Views
    from resnetlab.trained.predict import Classifier, Prediction

_Seen = TypeVar("_Seen")

_EXAMPLES = """examples:
  resnetlab predict runs/RUN photo.jpg
  resnetlab predict MODEL photos/ "more/*.png" --top 3 --csv answers.csv
  resnetlab predict MODEL photos/ --truth      photos/CLASS/*.jpg: which are right
  resnetlab predict MODEL photos/ --views 10crop   the mean answer to ten views of each
  resnetlab predict MODEL.onnx photos/ --jsonl
  resnetlab predict MODEL photos/ --features features.npz --explain why/
  find . -name "*.jpg" | resnetlab predict MODEL -
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `predict` its flags."""
    set_up(parser, predict, _EXAMPLES, needs="torch")
    add_model(parser)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="files, folders, patterns as 'photos/*.jpg'; - reads paths from standard input, one a line",
    )
    parser.add_argument("--top", type=int, default=5, metavar="K", help="classes told (default: 5)")
    parser.add_argument(
        "--truth",
        action="store_true",
        help="show the class of each image, which is the name of its folder where the network has such a"
        " class; --csv and --json have it by themselves",
    )
    parser.add_argument("--csv", metavar="FILE|-", help="a row for each image, into a file or printed")
    parser.add_argument("--jsonl", action="store_true", help="print a JSON object for each image as it comes")
    parser.add_argument("--features", metavar="FILE", help="what the classifier reads, into an .npz or .csv")
    parser.add_argument("--explain", metavar="DIR", help="pictures of where the network looked (Grad-CAM)")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="images at once (default: 32)")
    add_views(parser)
    add_weights(parser)
    add_device(parser)
    add_threads(parser)
    add_engine(parser)


@dataclass
class _Found:
    """What came of the images, in their order."""

    predictions: "list[Prediction]" = field(default_factory=list)
    features: "list[npt.NDArray[np.float32]]" = field(default_factory=list)
    overlays: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    """Of the first of them, markup for the page."""
    problems: list[str] = field(default_factory=list)
    how: dict[str, str | int] = field(default_factory=dict)
    """Who made the answers, with how many threads."""


def predict(options: argparse.Namespace) -> None:
    """Say what is in the images; broken ones are named, and the others go on."""
    from resnetlab.trained.predict.pictures import find_files
    from resnetlab.training.step.device import leaving_as_found, threads_on

    if options.top < 1 or options.batch < 1:
        raise UsageError(f"--top and --batch must be at least 1, got {options.top} and {options.batch}")
    _check_outputs(options)
    if options.explain:
        given = [name for name in options.images if os.path.isdir(name)]
        refuse_within([*given, *_data_of(options.model)], options.explain, "--explain")
    paths = find_files(options.images)
    with leaving_as_found():
        classifier = _opened(options)
        if options.truth:
            _refuse_unknown(classifier, paths)
        views = classifier.views(options.views)
        if views:
            print(views.said, file=sys.stderr)
        classifier.expect(len(paths), views)
        found = _predict_all(classifier, paths, options, views)
        found.how = {"engine": classifier.engine or REFERENCE, "threads": threads_on(classifier.device)}
        found.how["views"] = options.views
    if classifier.engine and (options.engine, classifier.engine) != (AUTO, REFERENCE):
        print(f"engine {classifier.engine_said}", file=sys.stderr)
    _write(found, options)
    if found.problems:
        raise DataError(f"{len(found.problems)} of {len(paths)} images could not be read, see above")


def _opened(options: argparse.Namespace) -> "Classifier":
    from resnetlab.trained.predict import Classifier
    from resnetlab.training.step.device import apply_switches

    classifier = Classifier.load(
        options.model, device=options.device, weights=options.weights, engine=options.engine
    )
    apply_switches(classifier.device, Execution())  # as evaluation does
    for note in classifier.notes:
        print(note, file=sys.stderr)
    if not options.features or options.explain or options.csv:
        classifier.refuse_backbone()
    return classifier


def _refuse_unknown(classifier: "Classifier", paths: list[str]) -> None:
    """Raise if no image lies in a folder that is named as a class."""
    from resnetlab.trained.predict.prediction import truth_of

    if not any(truth_of(path, classifier.class_names) for path in paths):
        raise UsageError(
            "--truth: no image lies in a folder that is named as a class of the network",
            hint=f"Its classes: {in_a_line(first_of(classifier.class_names))}. The images of each lie in a"
            " folder of its name.",
        )


def _data_of(model: str) -> list[str]:
    """Return the folder of images that a run, or the run of a checkpoint, was trained on."""
    path = user_path(model)
    run = next((each for each in (path, *path.parents[:2]) if is_run(each)), None)
    if run is None:
        return []
    source = str(RunDirectory(run).read("data").get("source", ""))
    return [source] if os.path.isdir(source) else []


def _check_outputs(options: argparse.Namespace) -> None:
    """Raise if what is asked for cannot all be written; images may take hours before it would show."""
    printed = {"--json": options.json, "--jsonl": options.jsonl, "--csv -": options.csv == "-"}
    if len(asked := [flag for flag, is_given in printed.items() if is_given]) > 1:
        raise UsageError(f"{' and '.join(asked)} both print: give one, and --csv FILE beside it if you like")
    of_one_view = {"--features": options.features, "--explain": options.explain}
    if options.views != SINGLE and (asked := [flag for flag, name in of_one_view.items() if name]):
        raise UsageError(
            f"{' and '.join(asked)}: of one view, and --views {options.views} averages answers to several",
            hint="Leave --views out for these.",
        )
    if options.features and Path(options.features).suffix not in (".npz", ".csv"):
        raise UsageError(f"--features {options.features}: a file of features ends in .npz or .csv")
    for name in (options.csv, options.features):
        if name and name != "-":
            _try_writing(user_path(name))


def _try_writing(path: Path) -> None:
    """Raise if no file can be written at `path`, leaving what is there as it is."""
    from resnetlab.trained.artefact.places import looking_at

    with looking_at(path):
        if path.is_dir():
            raise UsageError(f"{path} is a directory, and this is one file")
    files.make_directory(path.absolute().parent)
    files.try_writing(path)


def _predict_all(
    classifier: "Classifier", paths: list[str], options: argparse.Namespace, views: "Views | None"
) -> _Found:
    from resnetlab.trained.predict.prediction import truth_of

    found = _Found()
    folder = user_path(options.explain) if options.explain else None

    def logits_of(pixels: "list[Pixels]") -> "Tensor":
        if not options.features:
            return classifier.logits(pixels)
        logits_NK, features_NF = classifier.logits_and_features(pixels)
        found.features.append(features_NF.cpu().numpy())
        return logits_NK

    answered = _answered(classifier, paths, options.batch, found.problems, views, logits_of)
    for places, pixels, logits_NK in answered:
        predictions = [
            replace(each, truth=truth_of(each.place, classifier.class_names))
            for each in classifier.answers(logits_NK, places, options.top)
        ]
        found.predictions += predictions
        for prediction, seen in zip(predictions, pixels, strict=True):
            if folder is not None:
                _explain(classifier, prediction, seen, folder, found)
            if options.jsonl:
                print(json.dumps(prediction.to_json()), flush=True)
    return found


def _answered(
    classifier: "Classifier",
    paths: list[str],
    size: int,
    problems: list[str],
    views: "Views | None",
    logits_of: "Callable[[list[Pixels]], Tensor]",
) -> "Iterator[tuple[list[str], list[Pixels] | list[None], Tensor]]":
    """Give the places, pixels and logits of readable images in batches; of several views what is averaged."""
    if views is None:
        for places, pixels in _batches(classifier.read_all, paths, size, problems):
            yield places, pixels, logits_of(pixels)
    else:
        for places, parts in _batches(partial(classifier.read_views, views=views), paths, size, problems):
            yield places, [None] * len(places), classifier.averaged(parts, views)


def _batches(
    read: Callable[[list[str]], list[tuple[str, _Seen | DataError]]],
    paths: list[str],
    size: int,
    problems: list[str],
) -> Iterator[tuple[list[str], list[_Seen]]]:
    """Give the readable images in batches; tell of the others at once."""
    for start in range(0, len(paths), size):
        places, seen = [], []
        for path, image in read(paths[start : start + size]):
            if isinstance(image, DataError):
                problems.append(str(image))
                print(f"resnetlab: {image}", file=sys.stderr)
            else:
                places.append(path)
                seen.append(image)
        if seen:
            yield places, seen


def _explain(
    classifier: "Classifier", prediction: "Prediction", seen: "Pixels | None", folder: Path, found: _Found
) -> None:
    """Write the overlay for the most probable class, and keep what the page shows of it.

    Without pixels the image is read again: several views have been seen of it, and this is of the whole.
    """
    from resnetlab.insights.page import MOST, explained
    from resnetlab.trained.predict.reading import read_file

    files.make_directory(folder)
    out = folder / f"{len(found.overlays):05d}-{Path(prediction.place).stem}.png"
    try:
        seen = classifier.pixels(read_file(prediction.place)) if seen is None else seen
    except DataError as error:
        found.problems.append(str(error))
        print(f"resnetlab: {error}", file=sys.stderr)
        return
    explanation = classifier.explain_pixels(seen, prediction.class_name, prediction.place)
    files.write_file(out, explanation.png())
    found.overlays.append(str(out))
    if len(found.explained) < MOST:
        found.explained.append(explained(explanation, prediction.place, prediction.truth))


def _write_page(found: _Found, options: argparse.Namespace) -> None:
    """Write the page of the explanations beside their pictures, and say where it is."""
    from resnetlab.insights.page import explanations_page

    page = user_path(options.explain) / "index.html"
    model = os.path.basename(os.path.normpath(options.model))
    files.write_file(page, explanations_page(model, found.explained, len(found.overlays)))
    print(f"written: {page}: each picture, and where the network looked", file=sys.stderr)


def _write(found: _Found, options: argparse.Namespace) -> None:
    from resnetlab.trained.predict.prediction import told_right

    if found.overlays:
        _write_page(found, options)
    if options.features:
        _write_features(found, user_path(options.features))
    text = _csv(found, options.top)
    if options.csv and options.csv != "-":
        files.write_file(user_path(options.csv), text)
        print(f"written: {options.csv}", file=sys.stderr)
    right = told_right(found.predictions)
    if options.json:
        images = [prediction.to_json() for prediction in found.predictions]
        told = {"overlays": found.overlays, "problems": found.problems, **found.how}
        print_json({"images": images, **told})
    elif options.csv == "-":
        print(text, end="")
    elif not options.jsonl and not options.csv and any(each.answers for each in found.predictions):
        print(_table(found, shows_truth=options.truth))
    if right:
        prints_data = options.json or options.jsonl or options.csv == "-"
        print(right, file=sys.stderr if prints_data else sys.stdout)


def _write_features(found: _Found, path: Path) -> None:
    import numpy as np

    names = [prediction.place for prediction in found.predictions]
    features_NF = np.concatenate(found.features) if found.features else np.zeros((0, 0), np.float32)
    if path.suffix == ".npz":
        stream = io.BytesIO()
        classes = [each.class_name if each.answers else "" for each in found.predictions]
        np.savez_compressed(stream, images=np.array(names), features=features_NF, answers=np.array(classes))
        files.write_file(path, stream.getvalue())
        return
    header = ["image", *(f"f{index}" for index in range(features_NF.shape[1]))]
    rows = [[name, *map(repr, map(float, row))] for name, row in zip(names, features_NF, strict=True)]
    files.write_file(path, csv_text([header, *rows]))


def _csv(found: _Found, top: int) -> str:
    """Return a row for each image: class and probability, the most probable first; at its end the truth.

    The columns of the truth are there if that of any image is known.
    """
    most = min(top, max((len(p.answers) for p in found.predictions), default=top))
    header = ["image", *(f"{word}{n}" for n in range(1, most + 1) for word in ("class", "probability"))]
    rows = [
        [p.place, *(x for each in p.answers for x in (each.class_name, f"{each.probability:.6f}"))]
        for p in found.predictions
    ]
    if any(p.truth for p in found.predictions):
        header += ["truth", "correct"]
        said = {True: "yes", False: "no", None: ""}
        rows = [[*row, p.truth, said[p.is_right]] for row, p in zip(rows, found.predictions, strict=True)]
    return csv_text([header, *rows])


def _table(found: _Found, *, shows_truth: bool) -> str:
    rows = [
        (
            prediction.place if number == 0 else "",
            *([_told(prediction) if number == 0 else ""] if shows_truth else []),
            answer.words,
            f"{100 * answer.probability:.2f} %",
        )
        for prediction in found.predictions
        for number, answer in enumerate(prediction.answers)
    ]
    header = ("image", *(["truth"] if shows_truth else []), "class", "probability")
    return table(header, rows, left=len(header) - 1)


def _told(prediction: "Prediction") -> str:
    return f"{prediction.truth} (wrong)" if prediction.is_right is False else prediction.truth
