"""Our own recipes: `quick`, the default, and `digits`, which `make train` runs."""

from resnetlab.recipe import Augmentation, Normalisation, Optimizer, Recipe, Run, Schedule
from resnetlab.units import Duration


def quick(depth: int) -> Recipe:
    """The best accuracy per minute that we found for a short budget on CIFAR.

    15 epochs of 128; Nesterov momentum; the rate rises to .25 over two epochs and falls linearly
    to zero; weight decay 5e-4 on kernels alone; crops by up to 2 pixels with reflected edges (a
    short run fits less than it is given), flips in turn.

    docs/results.md has the runs it was chosen by.
    """
    return Recipe(
        name="quick",
        run=Run(length=Duration(15, "ep")),
        optimizer=Optimizer(nesterov=True, weight_decay=5e-4, decay_scope="kernels"),
        schedule=Schedule(lr=0.25, schedule="linear", warmup=Duration(2, "ep"), warmup_from=0.1),
        augmentation=Augmentation(crop_padding=2, crop_fill="reflect", flip="alternating"),
        normalisation=Normalisation(),
    )


def digits(depth: int) -> Recipe:
    """A minute on a laptop: the embedded handwritten digits.

    No flips (a mirrored 2 is no digit), small shifts, the rate falling linearly to zero.
    """
    return Recipe(
        name="digits",
        run=Run(length=Duration(10, "ep"), batch=32, log_every=10, checkpoint_every=100),
        optimizer=Optimizer(nesterov=True, weight_decay=5e-4, decay_scope="kernels"),
        schedule=Schedule(lr=0.1, schedule="linear", warmup=Duration(1, "ep"), warmup_from=0.1),
        augmentation=Augmentation(crop_fill="edge", crop_padding=3, flip="none"),
        normalisation=Normalisation(),
    )
