import numpy as np
import pytest
import torch

from resnetlab.base.randomness import ORDER, integers, key_for, uniform
from resnetlab.data.batches.order import SampleStream, epoch_order

SEEDS = (0, 1, 2**31, 2**63 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_numpy_torch_and_python_hash_alike(seed):
    numbers = [0, 1, 2, 77, 49_999, 2**31 - 1, 2**32 - 1]

    python = [key_for(seed, ORDER, 5, number) for number in numbers]
    numpy = key_for(seed, ORDER, 5, np.array(numbers))
    pytorch = key_for(seed, ORDER, 5, torch.tensor(numbers))

    assert python == numpy.tolist() == pytorch.tolist()
    assert all(0 <= key < 2**32 for key in python)
    assert [integers(key, 9) for key in python] == integers(pytorch, 9).tolist()
    assert [uniform(key) for key in python] == uniform(pytorch).tolist() == uniform(numpy).tolist()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [1, 2, 1797, 50_000])
def test_an_order_is_a_permutation_and_numpys_stable_sort(seed, size):
    order = epoch_order(seed, 3, size)

    keys = key_for(seed, ORDER, 3, np.arange(size))
    assert order.dtype == torch.int64
    np.testing.assert_array_equal(np.argsort(keys, kind="stable"), order.numpy())
    assert torch.equal(order.sort().values, torch.arange(size))


def test_orders_differ_between_epochs_and_seeds():
    orders = {tuple(epoch_order(seed, epoch, 100).tolist()) for seed in range(5) for epoch in range(5)}

    assert len(orders) == 25


def test_every_sample_comes_at_every_place_equally_often():
    """Chi-square over samples and places, below its mean and five standard deviations."""
    counts = np.zeros((10, 10))
    for epoch in range(4000):
        counts[epoch_order(8, epoch, 10).numpy(), np.arange(10)] += 1

    freedom = 9 * 9
    chi_square = ((counts - 400) ** 2 / 400).sum()
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("batch", [1, 7, 10, 25, 64])
def test_the_stream_reads_every_sample_once_per_epoch_across_batches(batch):
    stream, size, steps = SampleStream(4, 10), 10, 70 // batch + 1

    read = [stream.samples_at(range(step * batch, (step + 1) * batch)) for step in range(steps)]

    samples = torch.cat([samples for samples, _ in read]).tolist()
    epochs = torch.cat([epochs for _, epochs in read]).tolist()
    assert epochs == [position // size for position in range(steps * batch)]
    for epoch in range(steps * batch // size):
        assert samples[epoch * size : (epoch + 1) * size] == epoch_order(4, epoch, size).tolist()


def test_what_was_asked_before_does_not_matter():
    stream = SampleStream(4, 10)

    for start in (95, 3, 18, 95, 0, 57):
        asked = stream.samples_at(range(start, start + 8))
        fresh = SampleStream(4, 10).samples_at(range(start, start + 8))
        assert torch.equal(asked[0], fresh[0])
        assert torch.equal(asked[1], fresh[1])
        assert len(stream._orders) <= 2
