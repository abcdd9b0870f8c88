import math

import numpy as np
import pytest
import scipy.stats
import torch

from resnetlab.base.randomness import MIX_BOX_X, MIX_BOX_Y, MIX_PARTNER, key_for
from resnetlab.base.share import Share
from resnetlab.data.batches.mix import beta_weight, cut_box, mix
from resnetlab.recipe import Augmentation

SEED = 9
IMAGES = torch.randn(7, 10, 12, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(7)


def run(step: int, images=IMAGES, until=10**9, **alphas):
    return mix(images, LABELS[: len(images)], Augmentation(**alphas), seed=SEED, step=step, until=until)


def partner_of(position: int, step: int, size: int = 7) -> int:
    return (position - 1 - key_for(SEED, MIX_PARTNER, step) * (size - 1) // 2**32) % size


@pytest.mark.parametrize("step", range(20))
def test_mixup_is_the_weighted_mean_of_two_images(step):
    mixed = run(step, mixup=0.4)

    assert mixed.weight == beta_weight(0.4, seed=SEED, step=step)
    for position in range(7):
        other = partner_of(position, step)
        expected = mixed.weight * IMAGES[position].double() + (1 - mixed.weight) * IMAGES[other].double()
        np.testing.assert_allclose(expected, mixed.images[position], atol=1e-6)  # float32
        assert mixed.labels_other[position] == other


@pytest.mark.parametrize("step", range(20))
def test_cutmix_replaces_a_box_and_weighs_by_what_is_left(step):
    """Pixel by pixel as the paper's own code: centre anywhere, whole half sides, cut at the edges."""
    mixed = run(step, cutmix=1.0)

    ratio = math.sqrt(1 - beta_weight(1.0, seed=SEED, step=step))
    half_height, half_width = int(10 * ratio) // 2, int(12 * ratio) // 2
    row = key_for(SEED, MIX_BOX_Y, step) * 10 // 2**32
    column = key_for(SEED, MIX_BOX_X, step) * 12 // 2**32
    kept = 0
    for y in range(10):
        for x in range(12):
            is_cut = (
                row - half_height <= y < row + half_height and column - half_width <= x < column + half_width
            )
            kept += not is_cut
            for position in range(7):
                taken_from = partner_of(position, step) if is_cut else position
                assert torch.equal(mixed.images[position, y, x], IMAGES[taken_from, y, x])
    assert mixed.weight == pytest.approx(kept / 120, abs=1e-15)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 2.0, 8.0])
def test_weights_are_beta_distributed(alpha):
    """Kolmogorov-Smirnov against SciPy's Beta; five sigma would be p = 6e-7."""
    weights = [beta_weight(alpha, seed=4, step=step) for step in range(20_000)]

    assert min(weights) >= 0
    assert max(weights) <= 1
    assert scipy.stats.kstest(weights, scipy.stats.beta(alpha, alpha).cdf).pvalue > 1e-6


def test_weights_of_a_small_alpha_gather_at_both_ends_as_beta_says():
    """In cells, because a float has no room for all that lies beside 1."""
    edges = [0.0, 1e-9, 1e-6, 1e-3, 0.5, 1 - 1e-3, 1 - 1e-6, 1 - 1e-9, 1.0]
    weights = [beta_weight(0.05, seed=4, step=step) for step in range(20_000)]

    expected = np.diff(scipy.stats.beta(0.05, 0.05).cdf(edges)) * len(weights)
    counts = np.histogram(weights, edges)[0]
    assert ((counts - expected) ** 2 / expected).sum() < 7 + 5 * 14**0.5  # chi-square of 7 degrees


def test_a_tiny_alpha_gives_whole_images():
    weights = {beta_weight(1e-6, seed=4, step=step) for step in range(100)}

    assert weights == {0.0, 1.0}


def test_nobody_is_mixed_with_itself_and_every_distance_occurs_alike():
    distances = []
    for step in range(6000):
        other = run(step, IMAGES[:, :1, :1], mixup=1.0).labels_other
        distances.append(int(LABELS[0] - other[0]) % 7)
        assert not (other == LABELS).any()

    counts = np.bincount(distances, minlength=7)
    assert counts[0] == 0
    assert ((counts[1:] - 1000) ** 2 / 1000).sum() < 5 + 5 * 10**0.5  # chi-square of 5 degrees


def test_with_both_a_fair_coin_chooses_for_every_step():
    is_mixup = [
        run(step, mixup=1.0, cutmix=1.0).weight == run(step, mixup=1.0).weight for step in range(4000)
    ]

    assert abs(sum(is_mixup) - 2000) < 5 * 1000**0.5


def test_centres_of_boxes_are_uniform():
    rows = [cut_box(0.99, 10, 12, seed=SEED, step=step)[0] for step in range(6000)]

    assert all(0 <= row.start <= row.stop <= 10 for row in rows)
    boxes = [cut_box(0.96, 10, 10, seed=SEED, step=step) for step in range(6000)]
    counts = np.zeros((10, 10))
    for rows, columns in boxes:  # 2x2 pixels around the centre, fewer at the edges
        counts[rows.stop - 1, columns.stop - 1] += 1
    inner = counts[1:9, 1:9]
    assert ((inner - 60) ** 2 / 60).sum() < 64 + 5 * 128**0.5


def test_without_alphas_or_for_a_single_image_nothing_is_mixed():
    for mixed in (run(0), run(0, IMAGES[:1], mixup=1.0), run(0, IMAGES[:1], cutmix=1.0)):
        assert mixed.labels_other is None
        assert mixed.weight == 1.0
    assert run(0).images is IMAGES


def test_the_step_and_the_seed_change_the_mix():
    assert len({run(step, mixup=1.0).weight for step in range(50)}) == 50
    assert beta_weight(1.0, seed=1, step=0) != beta_weight(1.0, seed=2, step=0)


@pytest.mark.parametrize("alphas", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
def test_from_a_step_on_images_stay_as_they_are_and_both_labels_are_their_own(alphas):
    for step in range(3, 9):
        mixed, endless = run(step, until=6, **alphas), run(step, **alphas)
        assert torch.equal(mixed.labels_other, LABELS) == (step >= 6)
        assert torch.equal(mixed.images, IMAGES if step >= 6 else endless.images)
        assert mixed.weight == (1.0 if step >= 6 else endless.weight)
        assert mixed.labels_other.data_ptr() != LABELS.data_ptr()  # one tensor twice would be compiled anew


@pytest.mark.parametrize("share", [Share.whole(3), Share(1, 2, 3), Share(2, 1, 3)])
@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_every_image_is_mixed_with_another_of_its_shard_as_the_smallest_one_has_room_for(share, alphas):
    """Seven images in three shards of 2, 2 and 3: the smallest leaves no choice but the image before."""
    here, distances = range(7)[share.cut(7)], set()
    for step in range(12):
        local = slice(here.start, here.stop)
        mixed = mix(
            IMAGES[local], LABELS[local], Augmentation(**alphas), seed=SEED, step=step, until=10**9,
            share=share, num_samples=7,
        )  # fmt: skip
        alone = run(step, **alphas)
        assert mixed.weight == alone.weight  # one draw for all, whatever they are cut into
        for number, position in enumerate(here):
            shard = next(s for s in ([0, 1], [2, 3], [4, 5, 6]) if position in s)
            other = shard[shard.index(position) - 1]
            assert mixed.labels_other[number] == other
            inside = torch.lerp(IMAGES[other], IMAGES[position], mixed.weight)
            if "mixup" in alphas:
                torch.testing.assert_close(mixed.images[number], inside)
            else:
                is_own = mixed.images[number] == IMAGES[position]
                assert (is_own | (mixed.images[number] == IMAGES[other])).all()
                assert float(is_own.all(-1).float().mean()) == pytest.approx(mixed.weight, abs=1e-6)
        distances.add(int(mixed.labels_other[0]))
    assert len(distances) == 1


def test_of_larger_shards_every_distance_occurs_and_shards_of_one_image_are_not_mixed():
    def others(step, shards):
        share = Share.whole(shards)
        return mix(
            IMAGES, LABELS, Augmentation(mixup=1.0), seed=SEED, step=step, until=10**9, share=share
        ).labels_other

    assert {tuple(others(step, 2)[:3].tolist()) for step in range(40)} == {(2, 0, 1), (1, 2, 0)}
    assert others(0, 4) is None  # 1, 2, 2 and 2 images
