"""`resnetlab verify`. Imports no torch but for models and with --deep."""

import argparse
import sys

from resnetlab.cli.flags import add_device, add_workers
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import DataError, LockedError

_EXAMPLES = """examples:
  resnetlab verify runs/RUN                         every promise: kept, or broken and why that matters
  resnetlab verify runs/RUN --full                  of each what was promised, found, and why it matters
  resnetlab verify runs                             all runs in a folder, or a study
  resnetlab verify runs/RUN --deep                  its weights' score is computed again
  resnetlab verify runs/RUN --reference DIR         is it better than others of its recipe allow?
  resnetlab verify runs/RUN --seal                  one hash of all files, to be published

It ends with exit code 3 if a promise is broken. What the files do not tell is "not known", and breaks none.
A run that is being written is not judged: exit code 6, if nothing is broken elsewhere.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `verify` its flags."""
    set_up(parser, verify_paths, _EXAMPLES)
    parser.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="a run, a study, a folder of runs, a model folder, or a .safetensors or .onnx file of ours",
    )  # fmt: skip
    parser.add_argument(
        "--full", action="store_true", help="of kept promises too what was promised, and why it matters"
    )
    parser.add_argument(
        "--deep", action="store_true", help="score the weights again too, where the data can be opened"
    )
    parser.add_argument(
        "--reference", nargs="+", default=[], metavar="DIR",
        help="records (.json), runs, or folders of them: a run that is better or faster than those of its "
        "recipe allow, by 4 standard deviations, breaks a promise",
    )  # fmt: skip
    parser.add_argument(
        "--seal", action="store_true",
        help="write SEAL.json into each finished run that breaks no promise: a hash of its files' hashes",
    )  # fmt: skip
    parser.add_argument(
        "--seal-hash",
        default="",
        metavar="HASH",
        help="the hash that was published of this one run's seal, or at least 12 digits of it",
    )
    parser.add_argument("--data", metavar="DATA", help="with --deep: where the data lies now, if elsewhere")
    add_device(parser)
    add_workers(parser)


def verify_paths(options: argparse.Namespace) -> None:
    """Print what is found of every promise.

    Raises:
        DataError: If one is broken.
        LockedError: If none is, and a run was not judged, for another process writes into it.
    """
    from resnetlab.verifying import verify
    from resnetlab.watching.sight import sight_of

    found = verify(
        options.paths,
        deep=options.deep,
        reference=options.reference,
        seal=options.seal,
        seal_hash=options.seal_hash,
        data=options.data,
        device=options.device,
        workers=options.workers,
    )
    if options.json:
        print_json(found.to_json())
    else:
        print(found.text(sight_of(sys.stdout).columns, in_full=options.full))
    if broken := [f"{verdict.path}: {each.name}" for verdict in found.each for each in verdict.broken]:
        raise DataError(f"{len(broken)} promise{'s' * (len(broken) > 1)} broken, the first: {broken[0]}")
    if writing := [verdict.path for verdict in found.each if not verdict.is_judged]:
        told = f"{writing[0]} is being written, and was not judged"
        more = f", nor were {len(writing) - 1} others" if len(writing) > 1 else ""
        raise LockedError(told + more, hint="Verify it when that has ended; what else there is breaks none.")
