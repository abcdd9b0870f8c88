import numpy as np
import pytest
import torch

from resnetlab.base.randomness import CROP_X, CROP_Y, CUTOUT_X, CUTOUT_Y, ERASE, FLIP, fold, key_for
from resnetlab.base.units import Duration
from resnetlab.data.batches.augment import Augmenter, Shrinking, averaged, erased
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.errors import UsageError
from resnetlab.recipe import Augmentation, Normalisation
from resnetlab.recipe.timeline import Timeline

SEED = 6
HEIGHT, WIDTH = 9, 11
IMAGES = np.random.default_rng(3).integers(0, 256, (30, HEIGHT, WIDTH, 3)).astype(np.uint8)
SAMPLES = [4, 29, 0, 7, 7, 15, 22, 3, 3, 1]
EPOCHS = [0, 0, 0, 0, 1, 1, 1, 2, 3, 163]
KINDS = ("none", "per-pixel-mean", "per-image", "channel")


def draw(purpose: int, bound: int, *values: int) -> int:
    """Return an integer in [0, bound), from the hash in Python numbers."""
    return key_for(SEED, purpose, *values) * bound // 2**32


def reference(config: Augmentation, normalise, image: np.ndarray, sample: int, epoch: int) -> np.ndarray:
    """Augment one image with np.pad and slices, as one would write it by hand."""
    if config.pad_when == "after":
        image = normalise(image)
    height, width = image.shape[:2]
    if config.crop_padding:
        padding, mode = config.crop_padding, {"zeros": "constant"}.get(config.crop_fill, config.crop_fill)
        padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)), mode)
        top, left = (draw(p, 2 * padding + 1, epoch, sample) for p in (CROP_Y, CROP_X))
        image = padded[top : top + height, left : left + width]
    if config.shift:
        padded = np.pad(image, ((height, height), (width, width), (0, 0)), "edge")
        down, right = (
            round_half_up(2 * reach * key_for(SEED, purpose, epoch, sample) / 2**32 - reach)
            for purpose, reach in ((CROP_Y, config.shift * height), (CROP_X, config.shift * width))
        )
        image = padded[height + down : 2 * height + down, width + right : 2 * width + right]
    if config.flip == "random":
        is_flipped = draw(FLIP, 2, epoch, sample)
    else:
        is_flipped = config.flip == "alternating" and (draw(FLIP, 2, sample) + epoch) % 2
    image = image[:, ::-1] if is_flipped else image
    image = (normalise(image) if config.pad_when == "before" else image).copy()
    if config.cutout:
        top = draw(CUTOUT_Y, height, epoch, sample) - config.cutout // 2
        left = draw(CUTOUT_X, width, epoch, sample) - config.cutout // 2
        image[max(0, top) : max(0, top + config.cutout), max(0, left) : max(0, left + config.cutout)] = 0
    return image


def round_half_up(value: float) -> int:
    return int(np.floor(value + 0.5))


CONFIGS = [
    Augmentation(),
    Augmentation(crop_padding=2, flip="alternating"),
    Augmentation(crop_padding=4, crop_fill="reflect"),
    Augmentation(crop_padding=8, crop_fill="reflect", flip="none"),
    Augmentation(crop_padding=12, crop_fill="zeros"),
    Augmentation(crop_padding=3, crop_fill="edge"),
    Augmentation(crop_padding=0, shift=0.3),
    Augmentation(crop_padding=0, shift=0.1, flip="none"),
    Augmentation(crop_padding=0, flip="random"),
    Augmentation(crop_padding=0, flip="none"),
    Augmentation(crop_padding=0, flip="none", cutout=4),
    Augmentation(cutout=5),
    Augmentation(crop_padding=2, cutout=40),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_a_batch_is_what_each_image_gives_alone_by_hand(config, kind, when):
    config = Augmentation(**(vars(config) | {"pad_when": when}))
    normaliser = Normaliser.fit(Normalisation(normalise=kind), IMAGES)
    augment = Augmenter(config, normaliser, seed=SEED, size=(HEIGHT, WIDTH))

    actual = augment(torch.from_numpy(IMAGES[SAMPLES]), torch.tensor(SAMPLES), torch.tensor(EPOCHS))

    def normalise(image):  # itself compared with the papers in test_normalise.py
        return normaliser(torch.from_numpy(image.copy())[None])[0].numpy()

    assert actual.dtype == torch.float32
    for number, (sample, epoch) in enumerate(zip(SAMPLES, EPOCHS, strict=True)):
        expected = reference(config, normalise, IMAGES[sample], sample, epoch)
        np.testing.assert_array_equal(expected, actual[number].numpy())


def make_draws(config, size=(32, 32), samples=50_000, epoch=0, seed=SEED):
    augment = Augmenter(config, Normaliser("none", 1), seed=seed, size=size)
    return augment.draw(torch.arange(samples), torch.full((samples,), epoch))


def chi_square(values: torch.Tensor, expected_shares: list[float], first: int = 0) -> float:
    counts = np.bincount(values.numpy() - first, minlength=len(expected_shares))
    expected = np.array(expected_shares) * len(values)
    return float(((counts - expected) ** 2 / expected).sum())


def bound(freedom: int) -> float:
    """Return the mean and five standard deviations of a chi-square."""
    return freedom + 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("seed", range(3))
def test_crops_are_uniform_in_both_directions_and_jointly(seed):
    draws = make_draws(Augmentation(crop_padding=4), seed=seed)

    assert chi_square(draws.down, [1 / 9] * 9, -4) < bound(8)
    assert chi_square(draws.right, [1 / 9] * 9, -4) < bound(8)
    assert chi_square(draws.down * 9 + draws.right, [1 / 81] * 81, -40) < bound(80)


@pytest.mark.parametrize("seed", range(3))
def test_half_of_the_images_are_flipped_independently_of_the_crop(seed):
    draws = make_draws(Augmentation(crop_padding=1), seed=seed)

    assert chi_square(draws.is_flipped.long(), [0.5] * 2) < bound(1)
    assert chi_square(draws.is_flipped * 3 + draws.right + 1, [1 / 6] * 6) < bound(5)


def test_flips_of_two_epochs_are_independent():
    first, second = (make_draws(Augmentation(), epoch=epoch).is_flipped for epoch in (0, 1))

    assert chi_square(first.long() * 2 + second.long(), [0.25] * 4) < bound(3)


def test_alternating_flips_are_random_at_first_and_then_take_turns():
    flips = [make_draws(Augmentation(flip="alternating"), epoch=epoch).is_flipped for epoch in range(4)]

    assert chi_square(flips[0].long(), [0.5] * 2) < bound(1)
    assert torch.equal(flips[1], ~flips[0])
    assert torch.equal(flips[2], flips[0])
    assert torch.equal(flips[3], flips[1])


def test_shifts_are_uniform_to_the_nearest_pixel():
    """Uniform in +-3.2 px: whole cells of 1 / 6.4, and 0.7 of one at either end."""
    draws = make_draws(Augmentation(crop_padding=0, shift=0.1))

    shares = [0.7 / 6.4, *[1 / 6.4] * 5, 0.7 / 6.4]
    assert chi_square(draws.down, shares, -3) < bound(6)
    assert chi_square(draws.right, shares, -3) < bound(6)


def test_cutout_is_centred_anywhere():
    draws = make_draws(Augmentation(cutout=8), size=(8, 16))

    assert chi_square(draws.cut_row * 16 + draws.cut_column, [1 / 128] * 128) < bound(127)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_augmented_alike_in_whatever_batch_it_comes(kind):
    normaliser = Normaliser.fit(Normalisation(normalise=kind), IMAGES)
    augment = Augmenter(Augmentation(cutout=3), normaliser, seed=SEED, size=(HEIGHT, WIDTH))
    images, samples, epochs = torch.from_numpy(IMAGES), torch.tensor(SAMPLES), torch.tensor(EPOCHS)

    together = augment(images[samples], samples, epochs)

    for number in range(len(SAMPLES)):
        chosen = slice(number, number + 1)
        assert torch.equal(
            together[chosen], augment(images[samples[chosen]], samples[chosen], epochs[chosen])
        )


def test_seed_epoch_and_sample_each_change_the_draws():
    draws = make_draws(Augmentation(), samples=64)

    for other in (
        make_draws(Augmentation(), samples=64, seed=7),
        make_draws(Augmentation(), samples=64, epoch=1),
    ):
        assert not torch.equal(draws.down, other.down)
    assert len(set(draws.down.tolist())) > 1


def test_reflecting_more_than_there_is_is_refused():
    with pytest.raises(UsageError, match="cannot reflect 9 pixels of images of 9x11"):
        Augmenter(
            Augmentation(crop_padding=9, crop_fill="reflect"),
            Normaliser("none", 1),
            seed=0,
            size=(HEIGHT, WIDTH),
        )


def test_the_resident_images_are_left_as_they_were():
    images = torch.from_numpy(IMAGES.copy())
    for config in CONFIGS:
        augment = Augmenter(config, Normaliser("none", 255), seed=SEED, size=(HEIGHT, WIDTH))
        augment(images[SAMPLES], torch.tensor(SAMPLES), torch.tensor(EPOCHS))

    np.testing.assert_array_equal(IMAGES, images.numpy())


def restated_erasing(key: int, size: tuple[int, int], probability: float) -> np.ndarray:
    """torchvision.transforms.RandomErasing.get_params, one image at a time, from the same numbers."""
    mask = np.zeros(size, bool)
    if (fold(key, 0) >> 8) / 2**24 >= probability:
        return mask
    for attempt in range(10):
        numbers = [fold(key, 4 * attempt + number) for number in range(1, 5)]
        area = (0.02 + 0.31 * (numbers[0] >> 8) / 2**24) * size[0] * size[1]
        ratio = np.exp(np.log(0.3) + np.log(3.3 / 0.3) * (numbers[1] >> 8) / 2**24)
        height, width = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if height < size[0] and width < size[1]:
            top = numbers[2] * (size[0] - height + 1) // 2**32
            left = numbers[3] * (size[1] - width + 1) // 2**32
            mask[top : top + height, left : left + width] = True
            return mask
    return mask


def test_erasing_takes_torchvisions_rectangles():
    keys = [key_for(SEED, ERASE, 2, sample) for sample in range(400)]

    masks = erased(torch.tensor(keys), (40, 30), 0.7).numpy()

    for key, mask in zip(keys, masks, strict=True):
        np.testing.assert_array_equal(restated_erasing(key, (40, 30), 0.7), mask)
    assert 0.6 < masks.any(axis=(1, 2)).mean() < 0.8


def test_erased_pixels_are_the_mean_and_the_others_stay():
    images, samples, epochs = torch.from_numpy(IMAGES[SAMPLES]), torch.tensor(SAMPLES), torch.tensor(EPOCHS)
    normaliser = Normaliser.fit(Normalisation(), IMAGES)
    plain, erasing = (
        Augmenter(Augmentation(erasing=share), normaliser, seed=SEED, size=(HEIGHT, WIDTH))
        for share in (0, 1)
    )

    before, after = plain(images, samples, epochs), erasing(images, samples, epochs)

    keys = torch.tensor([key_for(SEED, ERASE, e, s) for e, s in zip(EPOCHS, SAMPLES, strict=True)])
    mask = erased(keys, (HEIGHT, WIDTH), 1.0)
    assert mask.any(dim=(1, 2)).all()
    assert torch.equal(torch.where(mask[..., None], 0.0, before), after)


@pytest.mark.parametrize("side", [24, 21, 16, 31, 1, 32])
def test_a_smaller_image_is_made_of_means_of_areas(side: int) -> None:
    """As if every pixel were cut into `side` equal parts, and `whole` of these made a new one."""
    images = torch.rand(3, 32, 5, 2, generator=torch.Generator().manual_seed(1))
    parts = images.repeat_interleave(side, dim=1)
    wanted = parts.reshape(3, side, 32, 5, 2).mean(2)
    torch.testing.assert_close(averaged(images, 1, side), wanted)


def test_images_are_small_for_the_share_of_the_run_that_the_recipe_says_and_each_for_itself() -> None:
    timeline = Timeline(num_samples=100, batch=10, length=Duration(50, "st"))
    shrinking = Shrinking(Augmentation(shrink=0.75, shrink_until=0.6), timeline)
    images = torch.rand(7, 32, 28, 3, generator=torch.Generator().manual_seed(2))
    sizes = [shrinking(images, step).shape[1:3] for step in range(50)]
    assert sizes == [(24, 21)] * 30 + [(32, 28)] * 20
    assert torch.equal(shrinking(images, 0)[2], shrinking(images[2:3], 0)[0])
    assert Shrinking(Augmentation(), timeline)(images, 0) is images
