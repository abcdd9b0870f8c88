"""Recipes of this decade for ImageNet-like photographs: torchvision's, "ResNet strikes back", FFCV's."""

from dataclasses import replace

from resnetlab.base.units import Duration
from resnetlab.recipe import Augmentation, Normalisation, Optimizer, Preparation, Recipe, Run, Schedule

IMAGENET = Normalisation(channel_mean=(0.485, 0.456, 0.406), channel_std=(0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's channels as torchvision, timm and most others have them."""

UNCROPPED = Augmentation(crop_padding=0)
"""Flips alone: the crop is made when a file is decoded."""


def torchvision_v1(depth: int) -> Recipe:
    """How torchvision's first weights were trained (references/classification, "IMAGENET1K_V1").

    90 epochs of 256; momentum .9; rate .1, a tenth after 30 and 60 epochs; random-resized crops to
    224 and flips; tested on the centre 224 of 256.

    Weight decay 1e-4 covers every parameter.
    Published top-1: 69.76 % (18 layers), 73.31 % (34), 76.13 % (50), 77.37 % (101), 78.31 % (152).
    """
    return Recipe(
        name="torchvision-v1",
        run=Run(length=Duration(90, "ep"), batch=256, log_every=100),
        optimizer=Optimizer(weight_decay=1e-4, decay_scope="all"),
        schedule=Schedule(
            lr=0.1,
            lr_batch=256,
            milestones=(Duration(30, "ep"), Duration(60, "ep")),
            factors=(0.1, 0.01),
        ),
        preparation=Preparation(image_size=224, train_crop="random-resized"),
        augmentation=UNCROPPED,
        normalisation=IMAGENET,
    )


def torchvision_v2(depth: int) -> Recipe:
    """How torchvision's second weights were trained ("IMAGENET1K_V2", pytorch/vision issue 3995).

    600 epochs of 1,024; momentum .9; rate .5 along a cosine, after 5 epochs of linear warm-up from
    .005; label smoothing .1, mixup .2 or cutmix 1, TrivialAugment, erasing .1; trained at 176, tested
    on the centre 224 of 232; each sample of an epoch four times; averaged weights.

    Weight decay 2e-5 covers all but BN's parameters.
    Published top-1: 80.86 % (50 layers), 81.89 % (101), 82.28 % (152).

    Differs: torchvision averages every 32 steps, here every step, with the same memory.
    """
    return Recipe(
        name="torchvision-v2",
        run=Run(length=Duration(600, "ep"), batch=1024, label_smoothing=0.1, log_every=100),
        optimizer=Optimizer(weight_decay=2e-5, decay_scope="all-but-norm", ema_decay=0.999966),
        schedule=Schedule(
            lr=0.5, lr_batch=1024, schedule="cosine", warmup=Duration(5, "ep"), warmup_from=0.01
        ),
        preparation=Preparation(
            image_size=224,
            train_size=176,
            resize=232,
            train_crop="random-resized",
            auto_augment="trivial",
            repeats=4,
        ),
        augmentation=replace(UNCROPPED, erasing=0.1, mixup=0.2, cutmix=1.0),
        normalisation=IMAGENET,
    )


def rsb_a1(depth: int) -> Recipe:
    """Wightman, Touvron and Jegou, 2021, "ResNet strikes back", procedure A1 (arXiv:2110.00476).

    600 epochs of 2,048; LAMB; rate 5e-3 along a cosine to 1e-6, 5 epochs of warm-up; binary
    cross-entropy with label smoothing .1; RandAugment (7, 2), mixup .2 or cutmix 1, each sample of an
    epoch three times; 224, tested on the centre 224 of 236, bicubic.

    Weight decay .01 covers all kernels. Stochastic depth of .05 belongs to the network: --set
    stochastic_depth=0.05.
    Published top-1: 80.4 % (50 layers), 71.5 % (18).
    """
    return Recipe(
        name="rsb-a1",
        run=Run(length=Duration(600, "ep"), batch=2048, loss="binary", label_smoothing=0.1, log_every=100),
        optimizer=Optimizer(optimizer="lamb", adam_eps=1e-6, weight_decay=0.01, decay_scope="kernels"),
        schedule=Schedule(
            lr=5e-3,
            schedule="cosine",
            lr_end=2e-4,
            warmup=Duration(5, "ep"),
            warmup_from=2e-4,
        ),
        preparation=Preparation(
            image_size=224,
            resize=236,
            train_crop="random-resized",
            interpolation="bicubic",
            auto_augment="rand",
            rand_magnitude=7.0,
            repeats=3,
        ),
        augmentation=replace(UNCROPPED, mixup=0.2, cutmix=1.0),
        normalisation=IMAGENET,
    )


def rsb_a2(depth: int) -> Recipe:
    """Procedure A2 of "ResNet strikes back": as rsb-a1, half as long.

    300 epochs; mixup .1; no label smoothing.

    Weight decay .02. Published top-1: 79.8 % (50 layers), 70.6 % (18).
    """
    base = rsb_a1(depth)
    return base.renamed(
        "rsb-a2",
        run=replace(base.run, length=Duration(300, "ep"), label_smoothing=0.0),
        optimizer=replace(base.optimizer, weight_decay=0.02),
        augmentation=replace(base.augmentation, mixup=0.1),
    )


def rsb_a3(depth: int) -> Recipe:
    """Procedure A3 of "ResNet strikes back": as rsb-a2, at 160 pixels.

    100 epochs; rate 8e-3; RandAugment (6, 2); trained at 160, tested on the centre 224 of 236; no
    repeated samples, no stochastic depth.

    Weight decay .02. Published top-1: 78.1 % (50 layers), 68.2 % (18).
    """
    base = rsb_a2(depth)
    return base.renamed(
        "rsb-a3",
        run=replace(base.run, length=Duration(100, "ep")),
        schedule=replace(base.schedule, lr=8e-3, lr_end=1.25e-4, warmup_from=1.25e-4),
        preparation=replace(base.preparation, train_size=160, rand_magnitude=6.0, repeats=1),
    )


def _ffcv(epochs: int) -> Recipe:
    return Recipe(
        name=f"ffcv-{epochs}",
        run=Run(length=Duration(epochs, "ep"), batch=1024, label_smoothing=0.1, log_every=100),
        optimizer=Optimizer(weight_decay=1e-4, decay_scope="all-but-norm"),
        schedule=Schedule(
            lr=1.7, lr_batch=4096, schedule="linear", warmup=Duration(2, "ep"), warmup_from=1e-4
        ),
        preparation=Preparation(
            image_size=256,
            resize=292,
            train_size=160,
            grow_to=192,
            train_crop="random-resized",
        ),
        augmentation=UNCROPPED,
        normalisation=IMAGENET,
    )


def ffcv_16(depth: int) -> Recipe:
    """libffcv/ffcv-imagenet, 16 epochs: ImageNet in the least time.

    Momentum .9; rate 1.7 for 4,096 samples, scaled with the batch, up over 2 epochs and down in a
    line; label smoothing .1; training images grow from 160 to 192 pixels between 74 and 86 % of the
    run; tested at 256.

    Weight decay 1e-4 covers all but BN's parameters (5e-5 for 18 layers there).
    Published top-1 of 50 layers: 73.8 %, with blurred strides and the mean of two mirrored views.

    Differs: no blurred strides (another network) and one view; the training images grow by the step,
    not by the epoch.
    """
    return _ffcv(16)


def ffcv_32(depth: int) -> Recipe:
    """libffcv/ffcv-imagenet, 32 epochs; as ffcv-16.

    Weight decay 1e-4. Published top-1 of 50 layers: 76.6 %, with the differences of ffcv-16.
    """
    return _ffcv(32)


def ffcv_88(depth: int) -> Recipe:
    """libffcv/ffcv-imagenet, 88 epochs; as ffcv-16.

    Weight decay 1e-4. Published top-1 of 50 layers: 78.4 %, with the differences of ffcv-16.
    """
    return _ffcv(88)


RECIPES = {
    "torchvision-v1": torchvision_v1,
    "torchvision-v2": torchvision_v2,
    "rsb-a1": rsb_a1,
    "rsb-a2": rsb_a2,
    "rsb-a3": rsb_a3,
    "ffcv-16": ffcv_16,
    "ffcv-32": ffcv_32,
    "ffcv-88": ffcv_88,
}
