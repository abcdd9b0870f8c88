"""The recipes of the four original code bases, each with its corrections.

What defines the trained function is kept as it was, even where the papers differ (decayed BN
parameters, padding before the standardisation, 2 pixels of padding). What broke the process is
corrected, and every correction is listed. All of them evaluate on every test image exactly once.
"""

from dataclasses import replace

from resnetlab.base.units import Duration
from resnetlab.recipe import Augmentation, Normalisation, Optimizer, Preparation, Recipe, Run, Schedule
from resnetlab.recipe.named.papers import AT_32K_48K, STEPS_64K


def _epochs(*counts: int) -> tuple[Duration, ...]:
    return tuple(Duration(count, "ep") for count in counts)


def _steps(*counts: int) -> tuple[Duration, ...]:
    return tuple(Duration(count, "st") for count in counts)


def chaoji(depth: int) -> Recipe:
    """chao-ji/tf-resnet-cifar10, the TensorFlow 1 trainer.

    64,000 steps of 128; momentum .9; rate .01 for 500 steps (every depth), .1, then a tenth from
    32,000 and a hundredth from 48,000; mean image subtracted from pixels in 0-255, zeros padded
    after that, random crop and flip.

    Weight decay 2e-4 covers the kernels of convolutions and logits; no bias, no BN parameter.
    Figure in its README: test error about 8.9 % (20 layers), 7.1 % (56), 6.35 % (110).

    Corrected: samples are shuffled anew per epoch (its repeat-before-shuffle repeated and missed
    some); crops are seeded too; the mean image is stored with the run.
    """
    return Recipe(
        name="chaoji",
        run=Run(length=STEPS_64K, checkpoint_every=200, log_every=200),
        optimizer=Optimizer(weight_decay=2e-4, decay_scope="kernels"),
        schedule=Schedule(
            milestones=AT_32K_48K,
            factors=(0.1, 0.01),
            warmup=Duration(500, "st"),
            warmup_form="constant",
            warmup_from=0.1,
        ),
        augmentation=Augmentation(),
        normalisation=Normalisation(normalise="per-pixel-mean", pixel_range=255),
    )


def chaoji_tf2(depth: int) -> Recipe:
    """chao-ji/tf-resnet-cifar10, the TensorFlow 2 trainer (v2/).

    As chaoji, but Keras' l2() has no factor 1/2, so that its 2e-4 is a weight decay of 4e-4
    (same scope: kernels), and Keras' SGD keeps the rate inside the velocity.

    Corrected: shuffling as in chaoji; 64,000 updates (it made 64,001); the rate changes at the
    boundaries (one step later there); a finished run, resumed, ends (it never did).
    """
    base = chaoji(depth)
    return base.renamed(
        "chaoji-tf2",
        optimizer=Optimizer(weight_decay=4e-4, decay_scope="kernels", momentum_form="keras"),
    )


def keras(depth: int) -> Recipe:
    """Keras' examples/cifar10_resnet.py.

    200 epochs of 32 with a short last batch each (1,563 steps); Adam; rate 1e-3, then a tenth
    after 80, 120 and 160 epochs and half of that after 180; pixels / 255 minus the mean image;
    shifts by up to 10 % of the side with repeated edges, to the nearest pixel; flips.

    Weight decay: Keras' l2(1e-4) on the convolutions' kernels, in the gradient that Adam sees,
    is 2e-4 here; the dense layer's kernel does not decay.
    Published: accuracy 92.16 % (ResNet20v1) to 93.15 % (ResNet110v2); of the latter its author says
    that it is the best of all epochs on the test set, of the others nothing is said.

    Corrected: rates change after 80, 120, 160, 180 epochs as documented (its `epoch > 80` on
    epochs counted from 0 was one later); no selection on the test set; the plateau callback is
    left out: it was dead, the scheduler overwrote its rate at the start of every epoch. `keras-plateau`
    has it in place of the scheduler.
    Not Keras': Adam's eps is added to the corrected second moment, there to the uncorrected one, as if it
    were 3.2e-6 in the first step and 1e-7 from some thousand on.
    """
    return Recipe(
        name="keras",
        run=Run(length=Duration(200, "ep"), batch=32, cycle_epochs=1),
        optimizer=Optimizer(optimizer="adam", adam_eps=1e-7, weight_decay=2e-4, decay_scope="conv-kernels"),
        schedule=Schedule(
            lr=1e-3,
            milestones=_epochs(80, 120, 160, 180),
            factors=(1e-1, 1e-2, 1e-3, 5e-4),
            whole_epochs=True,
        ),
        augmentation=Augmentation(crop_padding=0, shift=0.1),
        normalisation=Normalisation(normalise="per-pixel-mean"),
    )


def keras_plateau(depth: int) -> Recipe:
    """Keras' examples/cifar10_resnet.py with its plateau callback alive, in place of its rates by epoch.

    `keras`, but with ReduceLROnPlateau as the script sets it up: the rate of 1e-3 is multiplied by the root
    of .1 whenever the validation loss has not fallen by 1e-4 for 5 epochs, down to 5e-7.

    No result was published with it: there the scheduler set the rate anew at the start of every epoch.

    Corrected: what is watched are 5,000 training images that are held out, never the test images, as there;
    45,000 are trained on.
    """
    base = keras(depth)
    return base.renamed(
        "keras-plateau",
        run=replace(base.run, val=5000),
        schedule=Schedule(lr=1e-3, schedule="plateau", lr_end=5e-4),
    )


def tfofficial_cifar(depth: int) -> Recipe:
    """TensorFlow's official ResNet on CIFAR-10 (official/r1/resnet/cifar10_main.py).

    182 epochs in cycles of 10, a short batch at the end of each (71,108 steps of 128); momentum
    .9; rate .1 for 128 samples, scaled with the batch, a tenth at epochs 91, 136 and 182;
    4 pixels of zeros before the per-image standardisation, random crop, flip.

    Weight decay 2e-4 covers every trainable variable, BN's gamma and beta included (kept).
    Published: ResNet-56 93.12 % +- .2 (mean of 5 runs).

    Corrected: the --weight_decay flag counts (it was ignored); the rate changes at the boundary
    step (TensorFlow keeps the old one for one step more); a rerun does not train on.
    Kept: zeros are padded before the standardisation and so enter its statistics.
    """
    return Recipe(
        name="tfofficial-cifar",
        run=Run(length=Duration(182, "ep"), cycle_epochs=10, eval_every=Duration(10, "ep"), log_every=100),
        optimizer=Optimizer(weight_decay=2e-4, decay_scope="all"),
        schedule=Schedule(lr_batch=128, milestones=_epochs(91, 136, 182), factors=(0.1, 0.01, 0.001)),
        augmentation=Augmentation(pad_when="before"),
        normalisation=Normalisation(normalise="per-image", pixel_range=255),
    )


def tfofficial_imagenet(depth: int) -> Recipe:
    """TensorFlow's official ResNet on ImageNet (official/r1/resnet/imagenet_main.py).

    90 epochs of 256, a short batch at the end of each; momentum .9; rate .128 for 256 samples,
    scaled with the batch, linear warm-up from 0 over 5 epochs, a tenth at epochs 30, 60, 80, 90;
    pixels in 0-255 minus the RGB means. Training: TensorFlow's distorted bounding-box crop (5 to 100 %
    of the area, aspect 3/4 to 1.33, a tenth of an object, 100 attempts) to 224, flips; testing: shorter
    side 256, centre 224; all by TensorFlow 1's bilinear resampling, rounded to whole pixels.

    Weight decay 1e-4 covers all but BN's parameters (the dense bias decays).
    Published top-1, single crop: v1.5 76.53 %, v2 76.47 % (October 2018).

    Corrected: 256 samples per step (its default of 32 was a test setting); the last 16 test
    images count; synthetic labels reach the last class.
    """
    return Recipe(
        name="tfofficial-imagenet",
        run=Run(length=Duration(90, "ep"), batch=256, cycle_epochs=1, log_every=100),
        optimizer=Optimizer(weight_decay=1e-4, decay_scope="all-but-norm"),
        schedule=Schedule(
            lr=0.128,
            lr_batch=256,
            milestones=_epochs(30, 60, 80, 90),
            factors=(0.1, 0.01, 0.001, 1e-4),
            warmup=Duration(5, "ep"),
        ),
        preparation=Preparation(
            image_size=224,
            train_crop="distorted-bbox",
            crop_area=(0.05, 1.0),
            crop_aspect=(0.75, 1.33),
            interpolation="tf-bilinear",
            draft="off",
        ),
        augmentation=Augmentation(crop_padding=0),
        normalisation=Normalisation(
            normalise="channel",
            pixel_range=255,
            channel_mean=(123.68, 116.78, 103.94),
            channel_std=(1.0, 1.0, 1.0),
        ),
    )


def tfofficial_lars(depth: int) -> Recipe:
    """TensorFlow's official ResNet on ImageNet with large batches (`enable_lars` of resnet_run_loop.py).

    `tfofficial-imagenet`, but 90 epochs of 4,096 by LARS, trust coefficient .001, momentum .9; rate up from 0
    to 5 over 5 epochs and down to 1e-4 with the square of the steps left. Where the memory does not hold such
    a batch: --set accumulate=16.

    The rate is scaled with the batch, so that it is the original's at 4,096 (5) and 8,192 (10). There it is a
    table: 5 below 8,192, 10 below 16,384, 25 below 32,768, then 32 after 14 epochs of warm-up. Its others:
    --set lr_batch=0 with --lr 25, or --lr 32 --set warmup=14ep.

    Weight decay 1e-4 covers all but BN's parameters (the dense bias decays); BN's parameters and biases learn
    at the rate itself. No result was published with it; MLPerf's runs of this kind end at 75.9 % (50 layers).

    Corrected: the weight decay enters the trust ratio once (twice there: in the gradient's norm, through the
    loss, and beside it); the rate falls over the steps that are made (over 90 epochs without the short
    batches there, so that the last steps stand at 1e-4).
    Kept: the rate stands outside the momentum (--set momentum_form=keras is the paper's form).
    """
    base = tfofficial_imagenet(depth)
    return base.renamed(
        "tfofficial-lars",
        run=replace(base.run, batch=4096),
        optimizer=replace(base.optimizer, optimizer="lars"),
        schedule=Schedule(
            lr=5.0, lr_batch=4096, schedule="polynomial", lr_end=2e-5, warmup=Duration(5, "ep")
        ),
    )


def tfresearch(depth: int) -> Recipe:
    """TensorFlow's older research ResNet (research/resnet).

    Steps of 128, of 64 for 1001 layers and for the wide network (which has 26 as layers are counted here), as
    its README says; momentum .9; rate .1, a tenth from 40,000, a hundredth from 60,000, a thousandth
    from 80,000; 2 pixels of zeros (36 x 36) before the per-image standardisation, crop, flip.

    Weight decay 2e-4 covers the kernels of convolutions and of the last layer.
    Published best precision: 92.5 % (32 layers), 93.6 % (110), 94.5 % (164), 94.9 % (1001).

    Corrected: training stops, after 90,000 steps (it never did; the last published figure is from
    there); all 10,000 test images count (5,000 of them by default there); no best-on-test; the
    first step after a restart has its own rate (.1 there); the cost is the cross-entropy of the logits (there
    of their softmax, which it took for logits, so that the softmax was applied twice).
    Kept: padding of 2 and before the standardisation; weight decay 2e-4 as in its code (its
    README says .002).
    """
    return Recipe(
        name="tfresearch",
        run=Run(length=Duration(90_000, "st"), batch=64 if depth in (26, 1001) else 128, log_every=100),
        optimizer=Optimizer(weight_decay=2e-4, decay_scope="kernels"),
        schedule=Schedule(milestones=_steps(40_000, 60_000, 80_000), factors=(0.1, 0.01, 0.001)),
        augmentation=Augmentation(crop_padding=2, pad_when="before"),
        normalisation=Normalisation(normalise="per-image", pixel_range=255),
    )


RECIPES = {
    "chaoji": chaoji,
    "chaoji-tf2": chaoji_tf2,
    "keras": keras,
    "keras-plateau": keras_plateau,
    "tfofficial-cifar": tfofficial_cifar,
    "tfofficial-imagenet": tfofficial_imagenet,
    "tfofficial-lars": tfofficial_lars,
    "tfresearch": tfresearch,
}
