"""Looking into a trained network, within some seconds: its worst answers in pictures, what goes on in it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from resnetlab.evaluation.insights import Insights
from resnetlab.insights.budget import Budget, paced
from resnetlab.insights.by_layer import ByLayer
from resnetlab.insights.choosing import choose
from resnetlab.insights.explaining import class_maps, heat_of
from resnetlab.insights.pictures import Picture, filters_picture, over, pictured
from resnetlab.insights.subject import Subject
from resnetlab.models import ResNet
from resnetlab.models.layers import at
from resnetlab.network.layers import Conv

SECONDS = 10.0
"""What may be spent where nothing else is said."""

_MEASURED = 64
"""Images on which layers are measured, evenly spaced in the set."""
_SHARE_OF_LAYERS = 0.3
_MOST_BYTES = 3_000_000
"""Of all pictures, so that a page with all of them stays below 5 MB."""
_MOST_AT_ONCE = 64
_STRENGTH = 0.6


def look_inside(subject: Subject, seconds: float = SECONDS) -> Insights | None:
    """Return what a page shows of the inside of a network and of its worst answers.

    What the time does not suffice for, and what fails, is left out, and that is said in it: the scores are
    whole without.

    Args:
        subject: The network and its answers.
        seconds: What may be spent; a single image that takes longer is waited for. 0 makes None of it.
    """
    if seconds <= 0:
        return None
    looking = _Looking(subject, Budget(seconds))
    with _in_evaluation_mode(subject.model):
        looking.trying("The layers of the network", looking.look_at_layers)
        looking.trying("Pictures of answers", looking.look_at_answers)
    return looking.found()


@contextmanager
def _in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


class _Looking:
    """What was found so far."""

    def __init__(self, subject: Subject, budget: Budget) -> None:
        self._subject, self._budget = subject, budget
        self._content: dict[str, Any] = {
            "worst": [], "doubtful": [], "confusions": {}, "filters": None,
            "responses": [], "depth": [], "images": 0,
        }  # fmt: skip
        self._pictures: dict[str, bytes] = {}
        self._bytes = 0
        self._left_out: list[str] = []
        self._names: dict[tuple[str, int], str] = {}  # of pictures, by their kind and row

    def trying(self, what: str, look: Callable[[], None]) -> None:
        """Look, and note it if that fails."""
        try:
            look()
        except Exception as error:  # of any kind, of memory too: nothing of this may cost a score
            told = (str(error) or type(error).__name__).splitlines()[0]
            self._left_out.append(f"{what}: {told}")

    def look_at_layers(self) -> None:
        """Find filters, responses and norms."""
        subject, network = self._subject, self._subject.network
        if network is None:
            self._left_out.append("Filters, layers and Grad-CAM: nobody can look into an ONNX file's graph.")
            return
        if picture := filters_of(network):
            self._content["filters"] = f"filters{picture.suffix}"
            self._keep(self._content["filters"], picture)
        measured, rows = ByLayer(network), subject.spread(_MEASURED)
        for part in paced(rows, self._budget.part(_SHARE_OF_LAYERS), subject.at_once):
            if images := subject.read(part):
                measured.add(subject.input([*images.values()]), subject.labels([*images]))
        if measured.images:
            self._content |= {
                "responses": [each._asdict() for each in measured.responses()],
                "depth": [each._asdict() for each in measured.depth()],
                "images": measured.images,
            }

    def look_at_answers(self) -> None:
        """Find the answers worth a look, and make pictures of their images, of the worst ones first."""
        subject, chosen = self._subject, choose(self._subject.answers)
        of_cells = [row for rows in chosen.cells.values() for row in rows]
        every = dict.fromkeys([*chosen.worst, *chosen.doubtful, *of_cells])
        explained = chosen.worst if subject.network and not subject.are_of_views else []
        if subject.are_of_views:
            self._left_out.append("Grad-CAM: it is of one view, and the answers are means over several.")
        for part in paced(explained, self._budget, subject.at_once):
            self._explain(part)
        for part in paced([row for row in every if row not in explained], self._budget, _MOST_AT_ONCE):
            for row, pixels in subject.read(part).items():
                self._keep_of(row, "image", pictured(pixels))
        self._content |= {
            "worst": [self._row(row) for row in chosen.worst],
            "doubtful": [self._row(row) for row in chosen.doubtful],
            "confusions": {
                f"{truth}>{answer}": [self._row(row) for row in rows]
                for (truth, answer), rows in chosen.cells.items()
            },
        }
        self._tell_missing([*every])

    def _tell_missing(self, rows: Sequence[int]) -> None:
        """Note which of these rows have no picture, and why."""
        unread, seconds = self._subject.unread, self._budget.seconds
        if len(unread) == 1:
            self._left_out.append(f"1 image could not be read again: {next(iter(unread.values()))}")
        elif unread:
            first = next(iter(unread.values()))
            self._left_out.append(f"{len(unread):,} images could not be read again, the first: {first}")
        if without := [row for row in rows if ("image", row) not in self._names and row not in unread]:
            over = f"{seconds:.3g} s were over: `resnetlab eval --insights SECONDS` takes more"
            why = "they would take too many bytes" if self._budget.left else over
            self._left_out.append(f"The pictures of {len(without):,} of {len(rows):,} images, as {why}")

    def _explain(self, rows: Sequence[int]) -> None:
        """Make pictures of images, and beside of the places that speak for the answer."""
        subject = self._subject
        assert subject.network is not None
        if not (images := subject.read(rows)):
            return
        maps_NHW = class_maps(subject.network, subject.input([*images.values()])).maps
        for (row, pixels), map_HW in zip(images.items(), maps_NHW, strict=True):
            self._keep_of(row, "image", pictured(pixels))
            heat = heat_of(map_HW, *pixels.shape[:2])
            self._keep_of(row, "cam", pictured(over(pixels, heat, _STRENGTH)))

    def _keep_of(self, row: int, kind: str, picture: Picture) -> None:
        name = f"{kind}-{int(self._subject.answers.sample[row]):08d}{picture.suffix}"
        if self._keep(name, picture):
            self._names[kind, row] = name

    def _keep(self, name: str, picture: Picture) -> bool:
        if self._bytes + len(picture.content) > _MOST_BYTES:
            return False
        self._pictures[name] = picture.content
        self._bytes += len(picture.content)
        return True

    def _row(self, row: int) -> dict[str, Any]:
        answers = self._subject.answers
        return {
            "sample": int(answers.sample[row]),
            "place": str(answers.place[row]),
            "truth": int(answers.truth[row]),
            "answer": int(answers.answer[row]),
            "probability": round(float(answers.probability[row]), 4),
            "probability_of_truth": round(float(answers.probability_of_truth[row]), 4),
            "loss": round(float(answers.loss[row]), 4),
            "image": self._names.get(("image", row)),
            "cam": self._names.get(("cam", row)),
        }

    def found(self) -> Insights:
        """Return all of it."""
        told = {"seconds": round(self._budget.spent, 3), "left_out": self._left_out}
        return Insights(self._content | told, self._pictures)


def filters_of(network: ResNet) -> Picture | None:
    """Return a picture of the filters of a network's first layer, if they can be shown."""
    first = next(layer for layer in network.spec.plan().stem if isinstance(layer, Conv))
    weights = at(network, first.name).weight
    assert isinstance(weights, Tensor)
    return filters_picture(weights.detach().float().cpu().numpy())
