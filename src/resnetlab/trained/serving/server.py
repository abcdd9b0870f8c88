"""A trained network as a server: pictures in, classes with probabilities out, and a page for people.

POST /predict   one picture, or files of a form; ?top=K, ?explain or ?explain=CLASS, ?show
GET  /model     what the network is, and what is taken
GET  /healthz   that it answers
GET  /          the page
"""

import base64
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from resnetlab.base.pages.exchange import Answer, Refused, Request
from resnetlab.base.pages.places import Places
from resnetlab.base.pages.ports import HOST
from resnetlab.base.pages.server import Server
from resnetlab.data.images.thumbnail import thumbnail
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.insights.explaining import Explanation
from resnetlab.runs.environment import version
from resnetlab.trained.artefact.card import describe_preprocessing, description_rows
from resnetlab.trained.predict import Prediction
from resnetlab.trained.serving.answering import Answering, Question, Said
from resnetlab.trained.serving.limits import Limits, Rate
from resnetlab.trained.serving.page import page
from resnetlab.trained.serving.sent import pictures_of

_SIDE = 320  # pixels of a picture on the page
_STRENGTH = 0.75
"""Of the heat over a picture; the page can lay less of it there."""
_POST, _GET = ("POST",), ("GET", "HEAD")


class PredictionServer(Server):
    """A trained network that answers.

    Args:
        answering: Who computes.
        limits: What is taken.
        port: 0 takes one that is free.
        top: Classes told of a picture that is sent without ?top.
        explains: Whether Grad-CAM is given to who asks for it.
        host: Where it listens.
        names: Other names by which requests may call it, where it listens for other machines.
        tell: Is told of errors that no request has made.

    Raises:
        UsageError: If the port is taken, or may not be used; says which is free.
    """

    def __init__(
        self,
        answering: Answering,
        limits: Limits,
        *,
        port: int,
        top: int = 5,
        explains: bool = True,
        host: str = HOST,
        names: tuple[str, ...] = (),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._answering, self._limits, self._top, self._tell = answering, limits, top, tell
        self._explains = explains and answering.can_explain
        self._rate, self._places = Rate(limits.rate), Places(limits.waiting)
        self._description = answering.classifier.description
        self._answered = 0
        what = f"{self._description.spec.name} ({self._description.origin})"
        super().__init__(
            self._answer, _refuse, what=what, port=port, host=host, names=names, takes_posts=True
        )

    @property
    def command(self) -> str:
        """The line that asks it from a shell."""
        return f"curl -F image=@photo.jpg {self.url}predict"

    def _answer(self, request: Request) -> Answer:
        answers: Mapping[str, tuple[tuple[str, ...], Callable[[Request], Answer]]] = {
            "/": (_GET, self._page),
            "/healthz": (_GET, lambda _: _json({"status": "ok", "answered": self._answered})),
            "/model": (_GET, lambda _: _json(self._facts())),
            "/predict": (_POST, self._predict),
        }
        if request.path not in answers:
            raise Refused(HTTPStatus.NOT_FOUND, f"There is {', '.join(answers)}, and nothing else.")
        methods, answer = answers[request.path]
        if request.method not in methods:
            allowed = ", ".join(methods)
            words = f"{request.path} is answered to {allowed} alone."
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, words, headers={"Allow": allowed})
        return answer(request)

    def _page(self, request: Request) -> Answer:
        facts = self._facts() | {"notes": self._answering.classifier.notes}
        return Answer(page(facts, description_rows(self._description), command=self.command))

    def _predict(self, request: Request) -> Answer:
        self._rate.take(request.address)
        asked = self._asked(request)
        busy = "So many requests are being answered that no place is to spare: come again in a second."
        with self._places.one(request.address, busy):
            content = request.body(self._limits.most_bytes)
            pictures = pictures_of(request.headers, content, most=self._limits.pictures)
            try:
                said = self._answering.ask(Question(pictures=pictures, **asked))
            except Refused:
                raise
            except (DataError, UsageError) as error:
                raise Refused(HTTPStatus.BAD_REQUEST, str(error.args[0]), hint=error.hint) from error
            except Exception as error:
                self._tell(f"a request was not answered: {error or repr(error)}")
                hint = error.hint if isinstance(error, ResnetlabError) else ""
                words = str(error.args[0]) if error.args else repr(error)
                raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, words, hint=hint) from error
        self._answered += len(pictures)
        return _json(self._told(said, shows="show" in request.asked))

    def _asked(self, request: Request) -> dict[str, Any]:
        """Return what of a question stands in the address."""
        values = {name: found[-1] for name, found in request.asked.items()}
        if unknown := values.keys() - {"top", "explain", "show"}:
            words = f"{', '.join(sorted(unknown))}: there is ?top, ?explain and ?show."
            raise Refused(HTTPStatus.BAD_REQUEST, words)
        top = values.get("top", str(self._top))
        if not (top.isascii() and top.isdecimal() and int(top[:9]) > 0):
            raise Refused(HTTPStatus.BAD_REQUEST, f"top={top}: a number of classes, at least 1.")
        if "explain" in values and not self._explains:
            why = "an ONNX file gives answers only" if not self._answering.can_explain else "it is turned off"
            raise Refused(HTTPStatus.BAD_REQUEST, f"Nothing is explained here: {why}.")
        explains, class_name = "explain" in values, values.get("explain") or None
        return {"top": int(top[:9]), "explains": explains, "class_name": class_name}

    def _told(self, said: Said, *, shows: bool) -> dict[str, Any]:
        images = [_of_picture(each, shows=shows) for each in said.predictions]
        for image, explanation in zip(images, said.explanations, strict=False):
            image["explanation"] = _of_explanation(explanation)
        facts = self._facts()
        told = {name: facts[name] for name in ("model", "preprocessing", "engine", "threads")}
        return {"images": images, "ms": round(1000 * said.seconds, 2), **told}

    def _facts(self) -> dict[str, Any]:
        own, answering, limits = self._description, self._answering, self._limits
        height, width, channels = own.image_shape
        return {
            "model": own.spec.name,
            "origin": own.origin,
            "classes": own.class_names,
            "input": {"height": height, "width": width, "channels": channels},
            "preprocessing": describe_preprocessing(own.preprocessing),
            "parameters": own.spec.num_parameters,
            "engine": answering.engine,
            "device": str(answering.classifier.device),
            "threads": answering.threads,
            "explains": self._explains,
            "top": min(self._top, len(own.class_names)),
            "limits": {
                "megabytes": limits.megabytes,
                "pictures": limits.pictures,
                "requests_per_second": limits.rate,
            },
            "version": version("resnetlab"),
        }


def _of_picture(prediction: Prediction, *, shows: bool) -> dict[str, Any]:
    told = prediction.to_json()
    for answer, row in zip(prediction.answers, told["answers"], strict=True):
        if answer.words != answer.class_name:
            row["words"] = answer.words
    if shows and prediction.pixels is not None:
        told["picture"] = _uri(thumbnail(prediction.pixels, _SIDE)[0])
    return told


def _of_explanation(explanation: Explanation) -> dict[str, Any]:
    return {
        "class": explanation.class_name,
        "probability": explanation.probability,
        "map": [[round(float(value), 4) for value in row] for row in explanation.map],
        "overlay": _uri(thumbnail(explanation.overlay(strength=_STRENGTH), _SIDE)[0]),
    }


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _json(content: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(json.dumps(content) + "\n", status=status, kind="application/json")


def _refuse(why: Refused) -> Answer:
    told = {"error": why.words, **({"hint": why.hint} if why.hint else {}), "status": why.status.value}
    answer = _json(told, why.status)
    return Answer(answer.content, status=why.status, kind=answer.kind, headers=why.headers)
