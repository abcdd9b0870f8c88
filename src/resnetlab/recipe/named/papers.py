"""The recipes of the two ResNet papers for CIFAR."""

from resnetlab.base.units import Duration
from resnetlab.recipe import Augmentation, Normalisation, Optimizer, Recipe, Run, Schedule

STEPS_64K = Duration(64_000, "st")
AT_32K_48K = (Duration(32_000, "st"), Duration(48_000, "st"))


def he2015(depth: int) -> Recipe:
    """He et al., 2015, "Deep residual learning", section 4.2 (arXiv:1512.03385).

    64,000 steps of 128; momentum .9; rate .1, a tenth of it from step 32,000 and a hundredth from
    48,000; weight decay 1e-4; mean image subtracted, 4 pixels of padding, random crop and flip;
    tested on the single original view. From 110 layers on, the first 400 steps run at .01 (the
    paper: until the training error falls below 80 %, "about 400 iterations").

    Weight decay covers every parameter: the paper names no exception.
    Published: 8.75 % error (ResNet-20) to 6.43 % (ResNet-110, best of 5; mean 6.61 %).
    """
    warmup = Duration(400, "st") if depth >= 110 else Duration(0, "st")
    return Recipe(
        name="he2015",
        run=Run(length=STEPS_64K),
        optimizer=Optimizer(weight_decay=1e-4, decay_scope="all"),
        schedule=Schedule(
            milestones=AT_32K_48K,
            factors=(0.1, 0.01),
            warmup=warmup,
            warmup_form="constant",
            warmup_from=0.1,
        ),
        augmentation=Augmentation(),
        normalisation=Normalisation(normalise="per-pixel-mean"),
    )


def he2016(depth: int) -> Recipe:
    """He et al., 2016, "Identity mappings", appendix (arXiv:1603.05027).

    As he2015, with 400 steps of warm-up at .01 for every network.

    Weight decay 1e-4 covers every parameter.
    Published error on CIFAR-10: pre-activation 110 6.37 %, 164 5.46 %, 1001 4.92 %.
    """
    return he2015(max(depth, 110)).renamed("he2016")


RECIPES = {
    "he2015": he2015,
    "he2016": he2016,
}
