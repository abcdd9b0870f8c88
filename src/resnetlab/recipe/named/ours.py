"""Our own recipes: `quick`, the default, `digits` of `make train`, `photos` for image files, `finetune`."""

from dataclasses import replace

from resnetlab.base.units import Duration
from resnetlab.recipe import (
    Augmentation,
    Normalisation,
    Optimizer,
    Preparation,
    Recipe,
    Run,
    Schedule,
    Transfer,
)
from resnetlab.recipe.named.modern import IMAGENET, UNCROPPED


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


def quick_muon(depth: int) -> Recipe:
    """As `quick`, by Muon. Tried on ResNet-20 alone.

    Convolution kernels learn by Muon at rate .05, each kept at norm sqrt(output channels); all else by
    Nesterov momentum at ten times that. ResNet-20 on CIFAR-10: 90.69 % after 15 epochs (`quick`:
    89.66 %), n = 1 each.

    Weight decay 5e-4 covers the classifier's kernel alone: the others' norms are fixed.
    The rate was the best of three by 5,000 validation images after 3 epochs (docs/results.md).
    """
    base = quick(depth)
    return base.renamed(
        "quick-muon",
        optimizer=replace(base.optimizer, optimizer="muon", nesterov=False, rest_rate=10.0, fixed_norm=True),
        schedule=replace(base.schedule, lr=0.05),
    )


def timed(depth: int) -> Recipe:
    """What `--minutes` makes as long as they allow: `quick-muon` with images that are small at first.

    They have 24 of 32 pixels for six tenths of the steps, each the mean of the area that it covers; such a
    step has little more than half the products. The warm-up takes 2 of 15 parts of the run.

    Without minutes it is 15 epochs. Tried on ResNet-20 and CIFAR-10 alone: after 4 epochs, or a third more of
    which six tenths are small, 5,000 validation images say 86.20 % and 87.36 % (docs/results.md).
    """
    base = quick_muon(depth)
    return base.renamed("timed", augmentation=replace(base.augmentation, shrink=0.75, shrink_until=0.6))


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


def photos(depth: int) -> Recipe:
    """What a folder of photographs gets if no recipe is named: torchvision's, shortened.

    30 epochs of 64; Nesterov momentum; rate .5 for 1,024 samples, scaled with the batch, up over two
    epochs and down in a line; label smoothing .1; random-resized crops to 176 and flips, tested on the
    centre 224 of 256: a network sees larger objects in such crops than in testing, so training at
    fewer pixels makes it better and quicker (Touvron et al., 2019, arXiv:1906.06423).

    A start from pretrained weights (`resnetlab finetune`) is better below 100,000 images.
    """
    return Recipe(
        name="photos",
        run=Run(length=Duration(30, "ep"), batch=64, label_smoothing=0.1, checkpoint_every=500, log_every=20),
        optimizer=Optimizer(nesterov=True, weight_decay=5e-5, decay_scope="kernels"),
        schedule=Schedule(lr=0.5, lr_batch=1024, schedule="linear", warmup=Duration(2, "ep")),
        preparation=Preparation(
            image_size=224, train_size=176, train_crop="random-resized", crop_area=(0.25, 1.0)
        ),
        augmentation=UNCROPPED,
        normalisation=IMAGENET,
    )


def finetune(depth: int) -> Recipe:
    """What `resnetlab finetune` does with trained weights if no recipe is named.

    15 epochs of 64, at least 500 steps (below 5,000 images of 32); Nesterov momentum; the classifier's
    rate .05 for 64 samples, scaled with the batch, three tenths of it below, along a cosine to zero
    after 50 steps of warm-up; weight decay 1e-4 on kernels; label smoothing .1; crops of at least a
    quarter of the picture and flips, at the weights' own size and normalisation.

    BN learns as in training from scratch; in batches below 16 it keeps the statistics that it has.
    docs/results.md has what else was tried.
    """
    return Recipe(
        name="finetune",
        run=Run(length=Duration(15, "ep"), batch=64, label_smoothing=0.1, checkpoint_every=500, log_every=20),
        optimizer=Optimizer(nesterov=True, weight_decay=1e-4, decay_scope="kernels"),
        schedule=Schedule(lr=0.05, lr_batch=64, schedule="cosine", warmup=Duration(50, "st")),
        preparation=Preparation(image_size=224, train_crop="random-resized", crop_area=(0.25, 1.0)),
        augmentation=UNCROPPED,
        normalisation=IMAGENET,
        transfer=Transfer(body_rate=0.3),
    )


RECIPES = {
    "quick": quick,
    "quick-muon": quick_muon,
    "timed": timed,
    "digits": digits,
    "photos": photos,
    "finetune": finetune,
}
