"""Whether fine-tuning is worth it: six classes of CIFAR-10 learnt, then 400 images of the other four.

Takes CIFAR-10 as files, FOLDER/{train,test}/CLASS/*, or as the original binary files, of which it
writes PNGs. A ResNet-20 is trained on the first six classes (recipe quick); for each seed 100 images of
each of the other four are drawn, and a network is fine-tuned on them, and others trained from scratch
with the same number of steps and images. All are tested on the 4,000 test images of these classes.

    python benchmarks/finetuning.py cifar-10-batches-bin --work out --seeds 3
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

from resnetlab.data.open import open_source
from resnetlab.data.tools.unpack import unpack_source

KNOWN = ("airplane", "automobile", "bird", "cat", "deer", "dog")
NEW = ("frog", "horse", "ship", "truck")
STEPS, BATCH, IMAGES_EACH = 500, 32, 100
WAYS = {  # what is added to the command line of each way
    "finetune": ("finetune", "--weights", "{trained}"),
    "finetune --freeze body": ("finetune", "--weights", "{trained}", "--freeze", "body"),
    "finetune, BN statistics frozen": ("finetune", "--weights", "{trained}", "--bn", "frozen-statistics"),
    "from scratch (quick)": ("train", "resnet20", "--recipe", "quick"),
    "from scratch (quick, lr .05)": ("train", "resnet20", "--recipe", "quick", "--lr", "0.05"),
}


def resnetlab(*arguments: str) -> dict[str, object]:
    """Run our command with --json and return what it printed."""
    command = [sys.executable, "-m", "resnetlab", *arguments, "--json"]
    print("$ resnetlab", *arguments, flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def copy_classes(files: Path, target: Path, classes: tuple[str, ...], seed: int | None = None) -> Path:
    """Copy some classes, all of their training images or `IMAGES_EACH` drawn by the seed."""
    for name in classes:
        for part in ("train", "test"):
            paths = sorted((files / part / name).iterdir())
            if part == "train" and seed is not None:
                chosen = np.random.default_rng((seed, classes.index(name))).permutation(len(paths))
                paths = [paths[int(index)] for index in chosen[:IMAGES_EACH]]
            (target / part / name).mkdir(parents=True, exist_ok=True)
            for path in paths:
                shutil.copy(path, target / part / name / path.name)
    return target


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cifar", help="CIFAR-10 as a folder of files, or its original binary files")
    parser.add_argument("--work", type=Path, required=True, help="where everything is written")
    parser.add_argument("--trained", help="a run on the six classes (default: it is trained)")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    work: Path = options.work
    is_tree = (Path(options.cifar) / "train" / KNOWN[0]).is_dir()
    files = Path(options.cifar) if is_tree else work / "files"
    if not is_tree:
        unpack_source(open_source(options.cifar, holds_small=False), files)
    trained = options.trained or str(work / "trained")
    if not options.trained:
        six = copy_classes(files, work / "six", KNOWN)
        resnetlab("train", "resnet20", "--data", str(six), "--recipe", "quick", "--out", trained)
    results: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        few = str(copy_classes(files, work / f"few-{seed}", NEW, seed))
        for number, (way, words) in enumerate(WAYS.items()):
            arguments = [word.format(trained=trained) for word in words]
            run = str(work / f"run-{number}-{seed}")
            more = ["--data", few, "--steps", str(STEPS), "--batch", str(BATCH), "--seed", str(seed)]
            found = resnetlab(*arguments, *more, "--set", "eval_every=0ep", "--out", run)
            results[way].append(float(str(found["accuracy"])))
    print(f"\n{'way':<32} accuracy on 4,000 test images, mean ± std of n = {options.seeds}; each")
    for way, values in results.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        each = ", ".join(f"{100 * value:.2f}" for value in values)
        print(f"{way:<32} {100 * statistics.mean(values):.2f} ± {100 * spread:.2f} %; {each}")
    (work / "finetuning.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
