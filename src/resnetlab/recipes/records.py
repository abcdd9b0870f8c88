"""Recipes for the paper's CIFAR networks on one GPU: the least time, the common length, the most accuracy.

Their values come from the literature alone. None of them has been searched or measured yet.
"""

from dataclasses import replace

from resnetlab.recipe import Augmentation, Execution, Normalisation, Optimizer, Recipe, Run, Schedule
from resnetlab.units import Duration

_GPU = Execution(precision="bf16")


def paper_fast(depth: int) -> Recipe:
    """Not yet measured: the paper's own accuracy on CIFAR-10 in few seconds of one GPU.

    30 epochs of 256, 60 from 44 layers on; Nesterov momentum .9; rate .8, up over a sixth of the run and
    down to zero in a line; bf16; flips in turn, crops by up to 4 pixels with reflected edges; evaluated
    at the end alone.

    Weight decay 5e-4 covers kernels.
    To be reached: 91.25 % (20 layers), 93.03 % (56), 93.39 % (110), He et al., 2015, table 6.

    Sources: batch up to 256 costs nothing and its best rate is .8 (hysts/pytorch_image_classification,
    its table by batch size); linear to zero and flips in turn (Jordan, 2024, arXiv:2404.00498); the
    accuracy of a cosine arrives in its last fifth, so that a run is shortened by its schedule
    (chenyaofo/pytorch-cifar-models, logs). The number of epochs is a guess, and so is
    that rate with this weight decay: the source's is 1e-4.
    """
    epochs = 30 if depth < 44 else 60
    return Recipe(
        name="paper-fast",
        run=Run(length=Duration(epochs, "ep"), batch=256, eval_every=Duration(0, "ep"), checkpoint_every=0),
        optimizer=Optimizer(nesterov=True, weight_decay=5e-4, decay_scope="kernels"),
        schedule=Schedule(lr=0.8, schedule="linear", warmup=Duration(epochs // 6, "ep"), warmup_from=0.1),
        augmentation=Augmentation(crop_fill="reflect", flip="alternating"),
        normalisation=Normalisation(),
        execution=_GPU,
    )


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
