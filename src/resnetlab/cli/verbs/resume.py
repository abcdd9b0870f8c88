"""`resnetlab resume`."""

import argparse

from resnetlab.base.paths import user_path
from resnetlab.base.units import length_of
from resnetlab.cli.flags import add_at_once, add_data_set, add_device, add_devices, add_track, add_workers
from resnetlab.cli.verb import set_up
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError

_EXAMPLES = """examples:
  resnetlab resume runs/resnet20-cifar10-quick-20260101-120000
  resnetlab resume RUN --epochs 60           on from a run of 30, finished or not, in a new one (RUN-60ep)
  resnetlab resume RUN --data /elsewhere/cifar-10-batches-bin
  resnetlab resume RUN --devices 4           on other devices than before, with the same result
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `resume` its flags."""
    set_up(parser, resume, _EXAMPLES, needs="torch")
    parser.add_argument("run", help="the directory of a run, or of the several that one command trains")
    parser.add_argument(
        "--epochs", metavar="N", help="train on, for N epochs in all, in a new run: also from a finished one"
    )
    parser.add_argument("--steps", metavar="N", help="the same in steps")
    parser.add_argument("--minutes", help=argparse.SUPPRESS)  # refused with the reason
    parser.add_argument("--out", metavar="DIR", help="that run's directory (default: RUN-Nep)")
    parser.add_argument("--data", help="where the run's data lies now, if not where it was")
    add_data_set(parser)
    add_track(parser, " (default: those who followed the run; none: nobody)")
    add_device(parser)
    add_devices(parser)
    add_workers(parser)
    add_at_once(parser)


def resume(options: argparse.Namespace) -> None:
    """Go on with an interrupted run or study, or from a run for longer."""
    from resnetlab.cli.one_run import print_end
    from resnetlab.cli.output import progress_stream
    from resnetlab.cli.several_runs import resume_several
    from resnetlab.tracking.following import Followed, read_asked
    from resnetlab.training.run import resume_run
    from resnetlab.training.studies.rows import is_study
    from resnetlab.watching.one_run import watching

    if options.minutes is not None:
        raise UsageError(
            f"--minutes {options.minutes}: a run's length is fixed when it begins",
            hint="Without it `resnetlab resume RUN` goes on to that; --epochs or --steps train on from it.",
        )
    path, length = user_path(options.run), length_of(options.epochs, options.steps, prefix="--")
    if options.world.from_first(lambda: is_study(path)):
        if length is not None:
            raise UsageError(f"{path} holds several runs", hint="Name the one that is to train for longer.")
        if options.out:
            raise UsageError(f"--out: the runs in {path} go on where they are", hint="Leave it out.")
        resume_several(options)
        return
    asked = options.world.together(lambda: read_asked(options.track))
    with watching(progress_stream(options)) as watcher:
        result = resume_run(
            path,
            Followed(watcher, asked),
            length=length,
            out=user_path(options.out) if options.out else None,
            data=options.data,
            device=options.device,
            workers=options.workers,
            choices=Choices.parse(options.data_set),
            world=options.world,
        )
    print_end(options, result)
