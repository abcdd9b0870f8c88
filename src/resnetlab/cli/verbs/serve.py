"""`resnetlab serve`."""

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from resnetlab.cli.flags import add_device, add_engine, add_model, add_port, add_threads, add_weights
from resnetlab.cli.output import print_json
from resnetlab.cli.stopping import served_until_stopped
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError

if TYPE_CHECKING:
    from resnetlab.trained.serving.server import PredictionServer

_EXAMPLES = """examples:
  resnetlab serve runs/RUN --open                   a page to drop pictures on
  resnetlab serve MODEL.onnx --port 9000            the same of an ONNX file, without Grad-CAM
  curl -F image=@photo.jpg http://127.0.0.1:8643/predict
  curl -F image=@a.jpg -F image=@b.jpg "http://127.0.0.1:8643/predict?top=3&explain"
  resnetlab serve MODEL --host 0.0.0.0 --rate 5     for other machines too

Only this machine reaches it unless --host says otherwise. docs/serving.md has what it answers.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `serve` its flags."""
    set_up(parser, serve, _EXAMPLES, needs="torch")
    add_model(parser)
    parser.add_argument("--top", type=int, default=5, metavar="K", help="classes told (default: 5)")
    parser.add_argument(
        "--no-explain", action="store_true", help="give no Grad-CAM, which takes as long again"
    )
    parser.add_argument(
        "--limit-mb", type=float, default=20, metavar="X", help="megabytes of a request (default: 20)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=30,
        metavar="N",
        help="requests a second that one client may make; 0: any number (default: 30)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where it listens: 0.0.0.0 is for all machines that reach this one (default: 127.0.0.1)",
    )
    add_port(parser, 8643)
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="another name by which requests may call it, a proxy's for instance; may be repeated",
    )
    add_weights(parser)
    add_device(parser)
    add_threads(parser)
    add_engine(parser)


def serve(options: argparse.Namespace) -> None:
    """Answer until Ctrl-C."""
    from resnetlab.base.pages.ports import checked_port
    from resnetlab.trained.predict import Classifier
    from resnetlab.trained.serving.answering import Answering
    from resnetlab.trained.serving.limits import Limits
    from resnetlab.trained.serving.server import PredictionServer

    if options.top < 1:
        raise UsageError(f"--top {options.top}: a number of classes, at least 1")
    limits, port = Limits(megabytes=options.limit_mb, rate=options.rate), checked_port(options.port)
    classifier = Classifier.load(
        options.model, device=options.device, weights=options.weights, engine=options.engine
    )
    for note in classifier.notes:
        print(note, file=sys.stderr)
    with contextlib.closing(Answering(classifier)) as answering:
        server = PredictionServer(
            answering,
            limits,
            port=port,
            top=options.top,
            explains=not options.no_explain,
            host=options.host,
            names=tuple(options.name),
            tell=lambda words: print(f"resnetlab: {words}", file=sys.stderr, flush=True),
        )
        with server:
            _say_where(server, options)
            served_until_stopped(server, opens=options.open)


def _say_where(server: "PredictionServer", options: argparse.Namespace) -> None:
    if options.json:
        print_json({"url": server.url, "predict": f"{server.url}predict", "curl": server.command})
    else:
        print(f"{server.what}: {server.url}")
        print(f"  {server.command}")
        print("Ctrl-C ends it.")
    if not server.is_local:
        note = "note: every machine that reaches this one can use it; nobody is asked who he is"
        print(note, file=sys.stderr)
