import numpy as np
import pytest
import torch

from resnetlab.base.share import Share
from resnetlab.base.units import Duration
from resnetlab.data.batches.batches import Batches, ResidentSplit, evaluation_batches
from resnetlab.data.batches.order import epoch_order
from resnetlab.errors import UsageError
from resnetlab.recipe import Augmentation
from resnetlab.recipe.timeline import Timeline
from tests.kit.small_batches import NORMALISER, PLAIN, SIZE, SPLIT, make_batches


def test_a_plain_batch_is_the_normalised_images_with_their_labels():
    batch = make_batches().at(2)

    expected = NORMALISER(torch.from_numpy(SPLIT.images)[batch.samples]).permute(0, 3, 1, 2)
    assert torch.equal(expected, batch.images)
    assert batch.images.dtype == torch.float32
    np.testing.assert_array_equal(SPLIT.labels[batch.samples.numpy()], batch.labels.numpy())
    assert batch.labels.dtype == batch.samples.dtype == torch.int64
    assert (batch.labels_other, batch.weight) == (None, 1.0)


def test_the_batches_run_through_every_epoch_without_a_gap():
    batches = make_batches()

    read = torch.cat([batches.at(step).samples for step in range(batches.timeline.num_steps)])

    expected = torch.cat([epoch_order(3, epoch, SIZE) for epoch in range(5)])
    assert torch.equal(expected[: len(read)], read)
    assert len(read) == 13 * 16  # full batches, a little into the fifth epoch


def test_a_short_batch_closes_a_cycle_where_the_timeline_says_so():
    batches = make_batches(cycle_epochs=1)

    sizes = [len(batches.at(step).labels) for step in range(batches.timeline.num_steps)]

    assert sizes == [16, 16, 16, 2] * 4


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(), Augmentation(mixup=0.5), Augmentation(cutmix=1.0), Augmentation(cutout=4)],
)
def test_a_batch_is_the_same_whatever_was_asked_before(augmentation):
    batches = make_batches(augmentation)

    for step in (12, 0, 5, 12, 3, 4):
        asked, fresh = batches.at(step), make_batches(augmentation).at(step)
        assert torch.equal(asked.images, fresh.images)
        assert torch.equal(asked.labels, fresh.labels)
        assert torch.equal(asked.samples, fresh.samples)
        assert asked.weight == fresh.weight
        if fresh.labels_other is not None:
            assert torch.equal(asked.labels_other, fresh.labels_other)


def test_a_sample_is_augmented_by_its_own_epoch_in_a_batch_across_two():
    """Step 3 of 16 reads the last 2 of epoch 0 and the first 14 of epoch 1."""
    across = make_batches(Augmentation()).at(3)

    for batch_size, first in ((50, 0), (50, 1)):
        whole = make_batches(Augmentation(), batch=batch_size).at(first)
        mine = slice(0, 2) if first == 0 else slice(2, 16)
        theirs = slice(48, 50) if first == 0 else slice(0, 14)
        assert torch.equal(across.images[mine], whole.images[theirs])


def test_the_seed_changes_order_and_augmentation():
    first, second = (make_batches(Augmentation(), seed=seed, batch=50).at(0) for seed in (3, 4))

    assert not torch.equal(first.samples, second.samples)
    assert not torch.equal(first.images[first.samples.argsort()], second.images[second.samples.argsort()])


@pytest.mark.parametrize("augmentation", [PLAIN, Augmentation(), Augmentation(mixup=1.0)])
def test_images_come_in_the_memory_format_asked_for(augmentation):
    last = make_batches(augmentation, channels_last=True).at(0).images
    contiguous = make_batches(augmentation, channels_last=False).at(0).images

    assert last.is_contiguous(memory_format=torch.channels_last)
    assert contiguous.is_contiguous()
    assert torch.equal(last, contiguous)


def test_mixed_batches_carry_both_labels_and_the_weight():
    batch = make_batches(Augmentation(mixup=1.0)).at(0)

    assert batch.labels_other.shape == batch.labels.shape
    assert sorted(batch.labels_other.tolist()) == sorted(batch.labels.tolist())
    assert 0 < batch.weight < 1


def test_a_timeline_of_other_samples_is_refused():
    timeline = Timeline(num_samples=49, batch=16, length=Duration(1, "ep"))

    with pytest.raises(UsageError, match="the timeline has 49 samples, the split 50"):
        Batches(SPLIT, timeline=timeline, seed=0, augmentation=PLAIN, normaliser=NORMALISER)


def test_steps_outside_the_run_are_refused():
    with pytest.raises(UsageError, match="step 13 is outside the run of 13 steps"):
        make_batches().at(13)


@pytest.mark.parametrize("batch", [1, 7, 16, 50, 64])
def test_evaluation_sees_every_sample_once_in_order_with_a_small_last_batch(batch):
    resident = ResidentSplit(SPLIT)
    assert resident.images is resident.images
    read = list(evaluation_batches(resident, NORMALISER, batch=batch))

    samples = torch.cat([each.samples for each in read])
    assert torch.equal(samples, torch.arange(SIZE))
    assert [len(each.labels) for each in read[:-1]] == [batch] * (len(read) - 1)
    assert len(read[-1].labels) == (SIZE % batch or min(batch, SIZE))
    images = torch.cat([each.images for each in read])
    assert torch.equal(images, NORMALISER(torch.from_numpy(SPLIT.images)).permute(0, 3, 1, 2))
    np.testing.assert_array_equal(SPLIT.labels, torch.cat([each.labels for each in read]).numpy())
    for rank in range(3):
        own = list(evaluation_batches(resident, NORMALISER, range(rank, len(read), 3), batch=batch))
        assert len(own) == len(read[rank::3])
        assert all(torch.equal(a.samples, b.samples) for a, b in zip(own, read[rank::3], strict=True))
        assert all(torch.equal(a.images, b.images) for a, b in zip(own, read[rank::3], strict=True))
    assert read[0].images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("alpha", ["mixup", "cutmix"])
def test_in_the_tail_of_a_run_nothing_is_mixed(alpha):
    plain, whole = make_batches(), make_batches(Augmentation(crop_padding=0, flip="none", **{alpha: 1.0}))
    tail = Augmentation(crop_padding=0, flip="none", mix_tail=Duration(1, "ep"), **{alpha: 1.0})
    batches = make_batches(tail)

    for step in range(13):  # the last of 4 epochs of 50 begins with step 13 - 4
        batch, expected = batches.at(step), (whole if step < 9 else plain).at(step)
        assert torch.equal(batch.images, expected.images), step
        assert torch.equal(batch.labels_other, batch.labels) == (step >= 9), step
        assert batch.weight == expected.weight, step


SHARES = [Share(0, 2, 6), Share(2, 2, 6), Share(4, 2, 6)]


@pytest.mark.parametrize("augmentation", [Augmentation(cutout=4), Augmentation(mixup=0.5, cutmix=1.0)])
@pytest.mark.parametrize("changes", [{"batch": 18}, {"batch": 17, "cycle_epochs": 1}])  # the last: 16 of 50
def test_what_three_processes_have_of_each_batch_is_the_batch_in_order(augmentation, changes):
    whole = make_batches(augmentation, share=Share.whole(6), **changes)
    parts = [make_batches(augmentation, share=share, **changes) for share in SHARES]

    for step in range(whole.timeline.num_steps):
        expected, found = whole.at(step), [part.at(step) for part in parts]
        for name in ("images", "labels", "samples", "labels_other"):
            tensors = [getattr(batch, name) for batch in found]
            if getattr(expected, name) is not None:
                assert torch.equal(torch.cat(tensors), getattr(expected, name)), (step, name)
        assert {batch.weight for batch in found} == {expected.weight}
        assert {batch.num_samples for batch in found} == {expected.num_samples} == {len(expected.labels)}


def test_only_mixing_knows_of_shards():
    """Order and augmentation are those of a batch that is not cut."""
    for step in (0, 3, 12):
        cut, whole = (make_batches(Augmentation(), share=Share.whole(n)).at(step) for n in (4, 1))
        assert torch.equal(cut.images, whole.images)
        assert torch.equal(cut.samples, whole.samples)
