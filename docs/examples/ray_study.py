"""A table of small runs, made by several processes of this machine, or by Ray by those of a cluster.

    python ray_study.py plain20 resnet20 --seeds 4 --out runs/table --workers 2
    python ray_study.py plain20 resnet20 --seeds 4 --out /shared/table --workers 16 --ray auto --gpus 1

Each worker makes the runs that no other one has, one after another, until none is left. Who is killed or
stopped loses nothing that was saved: another worker, or the same command typed again, goes on with its run.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import resnetlab
from resnetlab.errors import Interrupted


def work(options: argparse.Namespace) -> list[str]:
    """Make what other workers leave of the table; return the names of the runs that are finished then."""
    results = resnetlab.study(
        options.networks,
        seeds=options.seeds,
        data=options.data,
        recipe=options.recipe,
        steps=options.steps,
        out=options.out,
        resume_if_begun=True,
    )
    return list(results)


def here(options: argparse.Namespace) -> None:
    """Work in processes of this machine."""
    fresh = multiprocessing.get_context("spawn")  # what has imported torch is not to be forked
    with ProcessPoolExecutor(options.workers, mp_context=fresh) as pool:
        list(pool.map(work, [options] * options.workers))


def by_ray(options: argparse.Namespace) -> None:
    """Work in tasks of Ray; one whose machine is lost, or that a signal stopped, is begun again."""
    import ray

    ray.init(options.ray)
    task = ray.remote(num_gpus=options.gpus, max_retries=10, retry_exceptions=[Interrupted])(work)
    ray.get([task.remote(options) for _ in range(options.workers)])


def main() -> None:
    """Make the table, and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--recipe")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", type=Path, required=True, help="a folder that all workers see")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ray", metavar="ADDRESS", help="of a cluster; auto is the one of this machine")
    parser.add_argument("--gpus", type=float, default=0, help="of each task of Ray")
    options = parser.parse_args()
    if options.ray:
        by_ray(options)
    else:
        here(options)
    print(resnetlab.report(options.out))


if __name__ == "__main__":
    main()
