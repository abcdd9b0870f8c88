"""The sources that are made on the spot: digits and synthetic images."""

import numpy as np
import pytest
import torch
from torch import nn

from resnetlab.base.units import Duration
from resnetlab.data.arrays import made
from resnetlab.data.arrays.made import enlarge
from resnetlab.data.batches.batches import Batches, ResidentSplit, evaluation_batches
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.open import open_source
from resnetlab.errors import UsageError
from resnetlab.recipe import Augmentation, Normalisation
from resnetlab.recipe.timeline import Timeline


@pytest.mark.parametrize(("small", "large"), [(8, 32), (4, 4), (4, 7), (4, 224)])
def test_enlargement_is_pytorchs_bilinear_one(small, large):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, small, small))
    tensor = torch.from_numpy(images).double()

    expected = nn.functional.interpolate(tensor, size=large, mode="bilinear", align_corners=False)

    actual = enlarge(images, large) / (2 * large) ** 2
    np.testing.assert_allclose(expected.numpy(), actual, atol=1e-4)  # torch's float32 coordinates


def test_digits_are_all_of_scikit_learns_digits_once():
    from sklearn.datasets import load_digits

    source, original = open_source("digits"), load_digits()
    images = np.concatenate([source.train.images, source.test.images])
    labels = np.concatenate([source.train.labels, source.test.labels])

    # The mean over the 4x4 pixels that came from one original pixel says which digit it was.
    cells = images[..., 0].reshape(-1, 8, 4, 8, 4).mean((2, 4)).reshape(-1, 64)
    target = enlarge(original.images.astype(int), 32).reshape(-1, 8, 4, 8, 4).mean((2, 4)) * 255 / 65536
    target = target.reshape(-1, 64)
    nearest = ((target**2).sum(1) - 2 * cells @ target.T).argmin(1)

    assert sorted(nearest) == list(range(1797))
    np.testing.assert_array_equal(original.target[nearest], labels)


def test_digits_are_found_by_scikit_learn_itself_where_its_file_lies_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from_the_file = made.open_digits()
    monkeypatch.setattr(made, "find_spec", lambda name: None)

    found = made.open_digits()

    for one, other in ((found.train, from_the_file.train), (found.test, from_the_file.test)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.labels.dtype == other.labels.dtype == np.int64


def test_digits_are_32x32_grey_in_three_channels_from_black_to_white():
    source = open_source("digits")

    for split, size in ((source.train, 1438), (source.test, 359)):
        assert split.images.shape == (size, 32, 32, 3)
        assert (split.images == split.images[..., :1]).all()
        assert (split.images.min(), split.images.max()) == (0, 255)
        shares = np.array(split.samples_per_class(10)) / size
        whole = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]) / 1797
        assert np.abs(shares - whole).max() < 1 / 359  # stratified


def test_made_images_are_the_same_on_every_machine():
    """Integers all the way: a change of these fingerprints breaks every run recorded before it."""
    prints = {
        name: open_source(name).fingerprint[:16] for name in ("digits", "synthetic", "synthetic-random")
    }

    assert prints == {
        "digits": "a76c6f73a22bfe8a",
        "synthetic": "f74025937e9cba16",
        "synthetic-random": "85179c4afa0e8e01",
    }


def test_synthetic_images_have_the_size_classes_and_channels_asked_for():
    for name in ("synthetic", "synthetic-random"):
        source = open_source(name, classes=7, image_size=20, channels=1)
        assert source.train.images.shape == (2048, 20, 20, 1)
        assert len(source.test) == 512
        assert source.class_names == tuple(f"class {label}" for label in range(7))
        assert set(source.train.labels.tolist()) == set(range(7))
        assert len({image.tobytes() for image in source.train.images}) == 2048
    large = open_source("synthetic", classes=1001, image_size=128)
    assert (len(large.train), len(large.test)) == (256, 64)
    assert "train has no image of class 256" in large.notes[0]


def test_impossible_synthetic_images_are_refused():
    with pytest.raises(UsageError, match="classes 1 is below 2; image size 3 is below 4; channels 0 is"):
        open_source("synthetic", classes=1, image_size=3, channels=0)


def test_random_pixels_are_uniform_and_say_nothing_about_the_label():
    source = open_source("synthetic-random")
    pixels, labels = source.train.images.reshape(2048, -1), source.train.labels

    counts = np.bincount(pixels.ravel(), minlength=256)
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert chi_square < 255 + 5 * (2 * 255) ** 0.5  # mean and five standard deviations
    features = pixels[:, ::6] / 127.5 - 1
    weights = np.linalg.lstsq(features[:1024], np.eye(10)[labels[:1024]], rcond=None)[0]
    accuracy = ((features[1024:] @ weights).argmax(1) == labels[1024:]).mean()
    assert accuracy < 0.1 + 5 * (0.09 / 1024) ** 0.5


def test_a_small_network_learns_the_learnable_images_but_not_at_once():
    """Above 90 % after 80 batches of 64, not yet after 5."""
    source = open_source("synthetic")
    normaliser = Normaliser.fit(Normalisation(), source.train.images)
    timeline = Timeline(num_samples=2048, batch=64, length=Duration(80, "st"))
    augmentation = Augmentation(flip="none")
    batches = Batches(
        source.train, timeline=timeline, seed=0, augmentation=augmentation, normaliser=normaliser
    )
    torch.manual_seed(0)
    layers = []
    for inputs, outputs, stride in ((3, 16, 1), (16, 16, 2), (16, 32, 2), (32, 32, 2)):
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def measure_accuracy() -> float:
        model.eval()
        with torch.no_grad():
            hits = sum(
                int((model(batch.images).argmax(1) == batch.labels).sum())
                for batch in evaluation_batches(ResidentSplit(source.test), normaliser)
            )
        model.train()
        return hits / len(source.test)

    early = 1.0
    for step in range(80):
        batch = batches.at(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch.images), batch.labels).backward()
        optimizer.step()
        if step == 4:
            early = measure_accuracy()

    assert early < 0.9 < measure_accuracy()
