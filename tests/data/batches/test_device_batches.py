"""Batches found by a step counter on the device are those the host finds, bit for bit."""

import pytest
import torch

from resnetlab.base.share import Share
from resnetlab.base.units import Duration
from resnetlab.data.batches.device_batches import DeviceBatches
from resnetlab.data.batches.step_table import StepTable
from resnetlab.recipe import Augmentation
from tests.kit.small_batches import make_batches

MIXING = Augmentation(mixup=0.3, cutmix=0.7, flip="alternating", crop_fill="reflect", crop_padding=2)
KINDS = [
    (Augmentation(), {}),
    (Augmentation(crop_padding=0, shift=0.2, cutout=3, erasing=0.5), {"channels_last": False}),
    (MIXING, {"repeats": 3}),
    (Augmentation(mixup=0.3), {"cycle_epochs": 2, "batch": 33}),
    (Augmentation(mixup=0.3, mix_tail=Duration(2, "ep")), {}),
    (Augmentation(mixup=0.3, cutmix=0.3, mix_tail=Duration(5, "st")), {"repeats": 3}),
    (Augmentation(cutmix=0.3), {"cycle_epochs": 1, "batch": 49, "length": "5ep"}),
    (Augmentation(), {"batch": 50, "length": "9ep"}),
    (MIXING, {"share": Share.whole(4)}),
    (MIXING, {"share": Share(2, 2, 8), "batch": 16, "cycle_epochs": 3, "length": "6ep"}),
    (Augmentation(mixup=0.3), {"share": Share(1, 2, 3), "batch": 12, "cycle_epochs": 1}),
]


@pytest.mark.parametrize(("augmentation", "changes"), KINDS)
@pytest.mark.parametrize("ahead", [1, 5])
def test_every_batch_of_a_run_is_the_hosts(augmentation, changes, ahead):
    """Short batches, one of them of a single sample, and epochs of one step among them."""
    batches = make_batches(augmentation, **changes)
    on_device = DeviceBatches(batches, steps_ahead=ahead)
    timeline = batches.timeline
    for first in range(0, timeline.num_steps, ahead):
        steps = range(first, min(first + ahead, timeline.num_steps))
        on_device.prepare(steps)
        for step in steps:
            expected = batches.at(step)
            found = on_device.at(torch.tensor(step), expected.num_samples)
            assert found.num_samples == expected.num_samples
            for name in ("images", "labels", "samples", "labels_other"):
                ours, theirs = getattr(found, name), getattr(expected, name)
                assert (ours is theirs is None) or torch.equal(ours, theirs), (step, name)
            assert float(found.weight) == float(torch.tensor(expected.weight)), step
            assert found.images.stride() == expected.images.stride()


def test_it_goes_back_to_any_step_too():
    batches = make_batches(MIXING)
    on_device = DeviceBatches(batches, steps_ahead=2)
    for step in (11, 0, 7, 12, 3):
        on_device.prepare(range(step, step + 1))
        assert torch.equal(on_device.at(torch.tensor(step), 16).images, batches.at(step).images)


def test_a_table_has_the_row_of_every_step_whatever_block_it_came_in():
    asked = []

    def row(step):
        asked.append(step)
        return step / 7, -step

    table = StepTable(row, 23, "cpu", capacity=6)
    for first in range(0, 23, 4):
        steps = range(first, min(first + 4, 23))
        table.prepare(steps)
        for step in steps:
            assert table.at(torch.tensor(step)).tolist() == [step / 7, -step]
    assert max(asked) == 22


def test_a_table_refuses_more_steps_than_it_has_room_for():
    with pytest.raises(AssertionError, match="room for 6"):
        StepTable(lambda step: (0.0,), 23, "cpu", capacity=6).prepare(range(7))
