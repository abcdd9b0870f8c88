"""Recipes for the paper's CIFAR networks on one GPU: the least time, the common length, the most accuracy.

Those of `standard` and `max` come from the literature alone; none has been measured on a GPU yet.
"""

from dataclasses import replace

from resnetlab.base.units import Duration
from resnetlab.recipe import Augmentation, Execution, Normalisation, Optimizer, Recipe, Run, Schedule
from resnetlab.recipe.named.ours import quick_muon

_GPU = Execution(precision="bf16")


def paper_fast(depth: int) -> Recipe:
    """Not yet measured on a GPU: the paper's own accuracy on CIFAR-10 in few seconds of one.

    `quick-muon` for 30 epochs of 128, for 60 from 44 layers on: convolution kernels by Muon at rate .05,
    each at norm sqrt(output channels), all else by Nesterov momentum at ten times that; the rate up over two
    epochs and down to zero in a line; flips in turn, crops by up to 2 pixels with reflected edges; bf16;
    evaluated at the end alone.

    Weight decay 5e-4 covers the classifier's kernel alone: the others' norms are fixed.
    To be reached: 91.25 % (20 layers), 93.03 % (56), 93.39 % (110), He et al., 2015, table 6.
    ResNet-20 reached 92.19 % on a CPU in fp32, n = 1 (docs/results.md). Deeper networks were not tried; their
    number of epochs is a guess.
    """
    base = quick_muon(depth)
    epochs = 30 if depth < 44 else 60
    run = replace(base.run, length=Duration(epochs, "ep"), eval_every=Duration(0, "ep"), checkpoint_every=0)
    return base.renamed("paper-fast", run=run, execution=_GPU)


def standard(depth: int) -> Recipe:
    """Not yet measured: 200 epochs of CIFAR, the length that most others publish.

    200 epochs of 256; Nesterov momentum .9; rate .8 along a cosine to zero, after one epoch of warm-up;
    bf16; flips in turn, crops by up to 4 pixels.

    Weight decay 1e-4 covers every parameter.
    To be reached: 92.6 % (20 layers), 94.2 % (56), the last epochs of chenyaofo/pytorch-cifar-models.

    Sources: its length, batch and cosine; rate and weight decay are the best at batch 256 of
    hysts/pytorch_image_classification (pre-activation ResNet-20, 200 epochs, 92.55 %).
    """
    return Recipe(
        name="standard",
        run=Run(length=Duration(200, "ep"), batch=256, eval_every=Duration(10, "ep")),
        optimizer=Optimizer(nesterov=True, weight_decay=1e-4, decay_scope="all"),
        schedule=Schedule(lr=0.8, schedule="cosine", warmup=Duration(1, "ep"), warmup_from=0.1),
        augmentation=Augmentation(flip="alternating"),
        normalisation=Normalisation(),
        execution=_GPU,
    )


def maximum(depth: int) -> Recipe:
    """Not yet measured: the most accuracy of a small network on CIFAR, however long it takes.

    800 epochs of 128; as `standard`, with the rate .4, mixed images (cutmix of alpha .3: a third of the
    batches stay nearly whole) and averaged weights.

    Weight decay 1e-4 covers every parameter.
    To be reached: 94.0 % (20 layers); osmr/imgclsmob has 94.03 %, selected on the test set.

    Sources: hysts/pytorch_image_classification (pre-activation ResNet-20, last epoch, median of 3):
    mixing of this kind (RICAP, beta .3) 93.23 % after 200 epochs and 93.81 % after 400, without it
    92.40 % and 92.95 %: mixing pays with length. The length and the averaging are guesses.
    """
    base = standard(depth)
    return base.renamed(
        "max",
        run=replace(base.run, length=Duration(800, "ep"), batch=128),
        optimizer=replace(base.optimizer, ema_decay=0.999),
        schedule=replace(base.schedule, lr=0.4),
        augmentation=replace(base.augmentation, cutmix=0.3),
    )


RECIPES = {
    "paper-fast": paper_fast,
    "standard": standard,
    "max": maximum,
}
