"""One thread that computes, for all who ask: torch's threads and switches are a thread's own.

Pictures are decoded there too, one after another, so that never more than one is in memory whole.
"""

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np

from resnetlab.base.pages.exchange import Refused
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.images.image import EncodedImage
from resnetlab.engines.names import REFERENCE
from resnetlab.models import ResNet
from resnetlab.recipe import Execution
from resnetlab.trained.predict import Classifier, Explanation, Prediction
from resnetlab.training.step.device import apply_switches, leaving_as_found, threads_on


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be said of pictures."""

    pictures: Sequence[EncodedImage]
    top: int = 5
    """Classes told of each."""
    explains: bool = False
    """Whether to say which places speak for a class."""
    class_name: str | None = None
    """Which class that is; None is the most probable one of each."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of pictures, in their order."""

    predictions: Sequence[Prediction]
    """With the pixels that the network saw."""
    explanations: Sequence[Explanation]
    """None of them if they were not asked for."""
    seconds: float
    """That it took, decoding included and waiting not."""


class Answering:
    """Answers questions, each in its turn; made, it has answered one already.

    Args:
        classifier: Who answers.

    Raises:
        UsageError: If its engine cannot be used here, or it has no classifier.
        CheckpointError: If its answers are no finite numbers.
    """

    def __init__(self, classifier: Classifier) -> None:
        classifier.refuse_backbone()
        self.classifier = classifier
        self.threads = 0
        self._ends = False
        self._waiting: queue.SimpleQueue[tuple[Question | None, Future[Said]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        try:
            self._asked(None).result()
        except BaseException:
            self.close()
            raise

    @property
    def can_explain(self) -> bool:
        """Whether it knows which places speak for a class; of an ONNX file it does not."""
        return isinstance(self.classifier.model, ResNet)

    @property
    def engine(self) -> str:
        """The name of who makes the answers now."""
        return self.classifier.engine or REFERENCE

    def ask(self, question: Question) -> Said:
        """Return the answer, when it is made.

        Raises:
            DataError: If a picture is damaged or no image.
            UsageError: If there is no such class, or the network cannot explain.
        """
        return self._asked(question).result()

    def close(self) -> None:
        """Answer no more; what is being computed is waited for, and what waits for that is refused."""
        self._ends = True
        self._waiting.put(None)
        self._thread.join()

    def _asked(self, question: Question | None) -> Future[Said]:
        future: Future[Said] = Future()
        if self._ends:
            raise _ending()
        self._waiting.put((question, future))
        return future

    def _work(self) -> None:
        with leaving_as_found():
            apply_switches(self.classifier.device, Execution())  # as evaluation does
            self.threads = threads_on(self.classifier.device)
            while (waiting := self._waiting.get()) is not None:
                question, future = waiting
                try:
                    if self._ends:
                        raise _ending()
                    future.set_result(self._said(question) if question else self._tried())
                except BaseException as error:  # it is raised where the answer is waited for
                    future.set_exception(error)

    def _tried(self) -> Said:
        """Answer to a picture of nothing, so that the first one waits for no engine."""
        self.classifier.logits([np.zeros(self.classifier.description.image_shape, np.uint8)])
        return Said(predictions=(), explanations=(), seconds=0.0)

    def _said(self, question: Question) -> Said:
        started, classifier = time.perf_counter(), self.classifier
        if question.explains:
            classifier.refuse_unknown(question.class_name)
        pixels = [classifier.pixels(picture) for picture in question.pictures]
        places = [picture.place for picture in question.pictures]
        answers = classifier.answers(classifier.logits(pixels), places, question.top)
        explanations = [
            classifier.explain_pixels(seen, question.class_name or answer.class_name, answer.place)
            for seen, answer in zip(pixels if question.explains else (), answers, strict=False)
        ]
        return Said(
            predictions=[_with(answer, seen) for answer, seen in zip(answers, pixels, strict=True)],
            explanations=explanations,
            seconds=time.perf_counter() - started,
        )


def _ending() -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The server is ending.")


def _with(prediction: Prediction, seen: Pixels) -> Prediction:
    return Prediction(prediction.place, prediction.answers, seen)
