"""A small network that is served."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from resnetlab.trained.serving.answering import Answering
from resnetlab.trained.serving.limits import Limits
from resnetlab.trained.serving.server import PredictionServer
from tests.kit.artefacts import classifier_of, small_artefact
from tests.kit.asking import running


@pytest.fixture(scope="module")
def answering() -> Iterator[Answering]:
    """Of three classes, images of 32 x 32 pixels."""
    made = Answering(classifier_of(small_artefact()))
    yield made
    made.close()


@pytest.fixture
def serving(answering: Answering) -> Iterator[Callable[..., PredictionServer]]:
    """Starts servers of the network on free ports, with these limits."""
    with contextlib.ExitStack() as stack:

        def start(limits: Limits = Limits(rate=0), **how: object) -> PredictionServer:  # noqa: B008
            server = PredictionServer(answering, limits, port=0, **how)  # type: ignore[arg-type]
            stack.enter_context(running(server))
            return server

        yield start
