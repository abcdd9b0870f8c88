"""Flags that several verbs have."""

import argparse

from resnetlab.engines.names import AUTO, ENGINES
from resnetlab.evaluation.views import SINGLE, VIEWS


def add_training(parser: argparse.ArgumentParser, recipe: str) -> None:
    """Add the flags that every training has."""
    add_recipe(parser, recipe)
    parser.add_argument("--out", metavar="DIR", help="the run's directory (default: runs/MODEL-DATA-...)")
    parser.add_argument(
        "--resume-if-begun",
        action="store_true",
        help="for jobs that are started again: go on with what this command has begun in --out; if it is "
        "finished there, do nothing",
    )
    add_values(parser)
    parser.add_argument(
        "--patience", metavar="N", help="evaluations without a better validation accuracy that end training"
    )
    add_bad_samples(parser)
    add_data_set(parser)
    add_workers(parser)
    parser.add_argument("--checkpoint-every", metavar="N", help="steps between checkpoints")
    parser.add_argument("--stop-at", metavar="X", help="accuracy in [0, 1] at which training ends")
    parser.add_argument(
        "--deterministic",
        action="store_const",
        const="true",
        help="CUDA: only algorithms that repeat exactly",
    )
    parser.add_argument(
        "--no-report",
        action="store_const",
        const="false",
        dest="report",
        help="leave no report.html in the run's directory",
    )
    parser.add_argument(
        "--profile",
        type=int,
        metavar="STEPS",
        help="write where the time of some steps goes into the run's directory, and a trace of them (CPU)",
    )
    add_set(parser)
    add_track(parser)
    add_device(parser)
    add_devices(parser)
    add_threads(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved run, its time and memory; train nothing"
    )


def add_recipe(parser: argparse.ArgumentParser, recipe: str) -> None:
    """Add --recipe; `recipe` is what is taken where none is named."""
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"a recipe's name, a .json, .toml or .yaml file of values, or a run (default: {recipe})",
    )


def add_values(parser: argparse.ArgumentParser) -> None:
    """Add the values of a recipe that are given most often: length, batch, rate, seed, what is held out."""
    parser.add_argument("--epochs", metavar="N", help="length of training in epochs")
    parser.add_argument("--steps", metavar="N", help="length of training in steps (optimizer updates)")
    parser.add_argument("--batch", metavar="N", help="samples per step, over all devices")
    parser.add_argument("--lr", metavar="X", help="peak learning rate for the whole batch")
    parser.add_argument("--seed", metavar="N", help="source of every random number (default: 0)")
    parser.add_argument(
        "--val", metavar="N|X%", help="training samples held out for validation, or their share"
    )


def add_track(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    """Add --track, which names trackers; `otherwise` says who follows the run without it."""
    parser.add_argument(
        "--track",
        action="append",
        metavar="NAME[:PROJECT]",
        help="tell a tracker of the run: trackio, wandb or mlflow; tensorboard gets pictures beside its "
        f"numbers; may be repeated{otherwise}",
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add what a user says of a weight file that holds more than one network."""
    parser.add_argument(
        "--prefix",
        metavar="NAME",
        help="of a file with several networks: the one under this prefix, as encoder_q",
    )
    parser.add_argument(
        "--ignore",
        metavar="PATTERN",
        action="append",
        default=[],
        help="tensors of the file that the network does without, as 'projection_head.*'; may be repeated",
    )


def add_set(parser: argparse.ArgumentParser, what: str = "the recipe or the model") -> None:
    """Add --set, which takes the values of these."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"set any value of {what}; may be repeated",
    )


def add_data_set(parser: argparse.ArgumentParser) -> None:
    """Add --data-set, which says how to read the data."""
    parser.add_argument(
        "--data-set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the data leaves open, e.g. label_column=breed, train_split=train,extra (docs/data.md); "
        "may be repeated",
    )


def add_bad_samples(parser: argparse.ArgumentParser, default: str = "0") -> None:
    """Add --bad-samples."""
    parser.add_argument(
        "--bad-samples",
        metavar="X%",
        help=f"share of broken image files to leave out (default: {default})",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of the CPU, of each process (default: torch's own, or OMP_NUM_THREADS)",
    )


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Add --devices; the verb finds the processes that carry it out in `options.world`."""
    parser.add_argument(
        "--devices",
        metavar="N|auto",
        help="devices of this machine that do it together, each with a process of its own: a number, or "
        "auto for all GPUs (default: 1; several machines: docs/many-machines.md)",
    )
    parser.set_defaults(num_devices=1)  # what it comes to: `verb.launched` and `verb.joined` say it


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine, which chooses who makes a trained network's answers."""
    parser.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        metavar="ENGINE",
        help="who makes the answers, which are the same whoever does, see `resnetlab list engines`; "
        "auto: whoever is done first (default: auto)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the network that is to answer, a trained one of any kind."""
    parser.add_argument(
        "model",
        metavar="RUN|FOLDER|FILE",
        help="a run or checkpoint, a model folder, a .safetensors or .onnx file of `resnetlab export`, or"
        " weights of another program, read as `resnetlab import` reads them",
    )


def add_port(parser: argparse.ArgumentParser, default: int) -> None:
    """Add --port and --open, of what is served to browsers."""
    parser.add_argument(
        "--port",
        type=int,
        default=default,
        metavar="N",
        help=f"where it listens; 0 takes any that is free (default: {default})",
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def add_views(parser: argparse.ArgumentParser) -> None:
    """Add --views, which chooses what a network is shown of an image."""
    parser.add_argument(
        "--views",
        choices=VIEWS,
        default=SINGLE,
        help="average the answers to several views of each image: 10crop, its corners and its middle, or"
        " multiscale, the whole of it at five sizes (224 to 640 for networks of 224 pixels), each mirrored"
        " too (He et al., 2015, section 3.4; default: single)",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers."""
    parser.add_argument(
        "--workers",
        type=int,
        default=-1,
        metavar="N",
        help="processes that read image files, for all devices (default: -1, auto)",
    )


def add_at_once(parser: argparse.ArgumentParser) -> None:
    """Add --at-once."""
    parser.add_argument(
        "--at-once",
        type=int,
        default=0,
        metavar="N",
        help="of several runs, how many at the same time (default: 0, by the device)",
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add --weights, which chooses those of a run."""
    parser.add_argument(
        "--weights",
        choices=("auto", "plain", "averaged"),
        default="auto",
        help="of a run: averaged weights if it has them (auto), or one of the two",
    )
