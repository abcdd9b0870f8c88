import io
import math

import numpy as np
import pytest
from PIL import Image

from resnetlab.base.randomness import AUTO_AUGMENT, CROP_WINDOW, Draws
from resnetlab.data.batches import preprocessing as preprocessing_module
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.order import SampleStream
from resnetlab.data.batches.preparation import TrainingPreparation, side_at
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing, resizing
from resnetlab.data.images.geometry import random_resized_window
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.policies import (
    _INCREASING,
    _OPERATIONS,
    _WIDE,
    _Fill,
    _kept_bits,
    rand_augment,
    trivial_augment,
)
from resnetlab.errors import DataError, UsageError
from resnetlab.recipe import Preparation
from resnetlab.recipe.named import named_recipe
from tests.kit.pictures import picture


def image(seed=1, *, form="PNG", **options):
    return EncodedImage(picture(seed, form=form, **options), f"{seed}.{form.lower()}")


def whole(encoded):
    return Image.open(io.BytesIO(encoded.data)).convert("RGB")


def test_evaluation_is_torchvisions_resize_and_centre_crop_pixel_by_pixel():
    encoded = image(size=(150, 101))
    geometry = Geometry.of(Preparation(image_size=56, resize=64))

    resized = whole(encoded).resize((int(64 * 150 / 101), 64), Image.Resampling.BILINEAR)
    left = round((resized.width - 56) / 2)
    expected = np.asarray(resized.crop((left, 4, left + 56, 60)))
    np.testing.assert_array_equal(expected, geometry.pixels(encoded, 3))


def test_the_officials_evaluation_is_tensorflows():
    from tests.kit.restated_resizing import restated_tf_bilinear

    encoded = image(size=(45, 30))
    config = named_recipe("tfofficial-imagenet").preparation
    assert (Geometry.of(config).resize, config.image_size, config.draft) == (256, 224, "off")
    geometry = Geometry(14, 16, config.interpolation)

    resized = restated_tf_bilinear(np.asarray(whole(encoded)), (16, 24))
    expected = np.rint(resized[1:15, 5:19])
    np.testing.assert_array_equal(expected, geometry.pixels(encoded, 3))


def test_a_training_crop_is_the_window_cut_out_and_resized():
    encoded, config = image(size=(150, 101)), Preparation(image_size=48, train_crop="random-resized")
    preparation = TrainingPreparation(config, seed=3)

    top, left, height, width = random_resized_window(
        (101, 150), Draws(3, CROP_WINDOW, 7, 11), area=config.crop_area, aspect=config.crop_aspect
    )
    cut = whole(encoded).crop((left, top, left + width, top + height))
    expected = np.asarray(cut.resize((48, 48), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(expected, preparation.pixels(encoded, epoch=7, sample=11, side=48))
    assert not np.array_equal(expected, preparation.pixels(encoded, epoch=8, sample=11, side=48))
    assert not np.array_equal(expected, preparation.pixels(encoded, epoch=7, sample=12, side=48))


def test_an_aspect_crop_is_a_square_of_the_resized_picture():
    config = Preparation(image_size=56, resize=64, train_crop="aspect-crop")
    ramp = np.tile(np.arange(0, 240, dtype=np.uint8)[None, :, None], (128, 1, 3))
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "PNG")
    preparation = TrainingPreparation(config, seed=0)

    seen = [
        preparation.pixels(EncodedImage(stream.getvalue(), ""), epoch=0, sample=n, side=56) for n in range(40)
    ]

    steps = [int(pixels[0, -2, 0]) - int(pixels[0, 1, 0]) for pixels in seen]
    assert all(abs(step - 53 * 2) <= 1 for step in steps)  # 56 pixels show 112 of the picture's
    assert len({int(pixels[0, 0, 0]) for pixels in seen}) > 20


@pytest.mark.parametrize("crop", ["none", "random-resized", "distorted-bbox", "aspect-crop"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "tf-bilinear"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_one_colour_keeps_it_and_gets_the_size(crop, interpolation, channels):
    stream = io.BytesIO()
    Image.new("RGB", (90, 70), (200, 200, 200)).save(stream, "PNG")
    config = Preparation(image_size=40, train_crop=crop, interpolation=interpolation)

    pixels = TrainingPreparation(config, 0, channels).pixels(
        EncodedImage(stream.getvalue(), ""), epoch=0, sample=0, side=24
    )

    assert pixels.shape == (24, 24, channels)
    assert np.unique(pixels).tolist() == [200]


def test_draft_mode_decodes_less_and_shows_the_same_part():
    encoded = image(form="JPEG", size=(1600, 1200), quality=95)
    exact, quick = (
        TrainingPreparation(Preparation(image_size=64, train_crop="random-resized", draft=draft), seed=0)
        for draft in ("off", "train")
    )

    for sample in range(10):
        first, second = (
            each.pixels(encoded, epoch=0, sample=sample, side=64).astype(int) for each in (exact, quick)
        )
        assert np.abs(first - second).mean() < 1.5  # of 255, on a smooth picture
    assert not np.array_equal(first, second)


def test_the_officials_and_evaluation_never_decode_less():
    encoded = image(form="JPEG", size=(1600, 1200))
    config = Preparation(image_size=64, draft="train")

    pixels = Geometry.of(config).pixels(encoded, 3)

    resized = whole(encoded).resize((97, 73), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.asarray(resized)[4:68, 16:80], pixels)
    assert Geometry.of(Preparation(image_size=64, draft="on")).uses_draft


def test_training_images_grow_in_steps_of_32_towards_the_end():
    config = named_recipe("ffcv-16").preparation

    sides = [side_at(config, step / 100) for step in range(101)]

    assert sorted(set(sides)) == [160, 192]
    assert sides.index(192) == 80  # half-way from 74 to 86 %: 176 = 5.5 * 32, rounded to even
    assert side_at(Preparation(image_size=224, train_size=128, grow_to=224), 0.78) == 160
    assert side_at(Preparation(image_size=224), 0.9) == 224


def test_preprocessing_goes_through_json_and_back_and_old_runs_still_load():
    normaliser = Normaliser("channel", 1, np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.25, 0.125]))
    new = Preprocessing(normaliser, Geometry(224, 256, "tf-bilinear", False), 3)

    assert Preprocessing.from_json(new.to_json()) == new
    assert Preprocessing.from_json(normaliser.to_json()) == Preprocessing(normaliser)
    assert Preprocessing.from_json(Preprocessing(normaliser, channels=1).to_json()).channels == 1
    with pytest.raises(UsageError, match="unknown antialias"):
        Preprocessing.from_json(new.to_json() | {"antialias": True})


FILL = _Fill((124, 116, 104), Image.Resampling.NEAREST)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", _OPERATIONS)
def test_every_operation_keeps_size_and_mode_and_changes_the_picture(name, mode):
    original = whole(image(size=(40, 30))).convert(mode)
    value = {"move-x": 5, "move-y": 5, "rotate": 30, "posterize": 2, "solarize": 100, "solarize-add": 60}.get(
        name, 0.5
    )

    changed = _OPERATIONS[name](original, value, FILL)

    assert (changed.size, changed.mode) == (original.size, mode)
    is_same = changed.tobytes() == original.tobytes()
    assert is_same == (name == "identity" or (name == "colour" and mode == "L"))


def test_operations_by_hand():
    original = whole(image(size=(40, 30)))
    pixels = np.asarray(original).astype(int)

    def result(name, value):
        return np.asarray(_OPERATIONS[name](original, value, FILL)).astype(int)

    np.testing.assert_array_equal(pixels[:, 5:], result("move-x", 5.7)[:, :-5])
    assert (result("move-x", 5.7)[:, -5:] == (124, 116, 104)).all()
    np.testing.assert_array_equal(pixels[:-4], result("move-y", -4)[4:])
    np.testing.assert_array_equal(255 - pixels, result("invert", 0))
    np.testing.assert_array_equal(pixels & 0b11100000, result("posterize", 3))
    np.testing.assert_array_equal(np.where(pixels >= 90, 255 - pixels, pixels), result("solarize", 90))
    np.testing.assert_array_equal(
        np.where(pixels < 128, np.minimum(255, pixels + 40), pixels), result("solarize-add", 40)
    )
    assert np.abs(pixels * 1.3 - result("brightness", 0.3)).clip(0, None)[pixels < 190].max() <= 1
    np.testing.assert_array_equal(pixels[0, :20], result("shear-x", 0.5)[0, :20])
    np.testing.assert_array_equal(pixels[10, 5:25], result("shear-x", 0.5)[10, :20])


def test_posterize_keeps_timms_bits():
    """timm: 4 - int(level / 10 * 4), so that level 7, the usual one, keeps 2."""
    bits = {level: _kept_bits(level / 10) for level in (0, 2.4, 2.5, 5, 7, 7.4, 7.5, 9.9, 10)}

    assert bits == {0: 4, 2.4: 4, 2.5: 3, 5: 2, 7: 2, 7.4: 2, 7.5: 1, 9.9: 1, 10: 0}
    assert not np.asarray(_OPERATIONS["posterize"](whole(image()), 0, FILL)).any()


def test_solarize_inverts_from_thresholds_that_are_not_whole_as_torchvision_does():
    original = whole(image(size=(40, 30), smooth=False))
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for given in (original, ramp):
        pixels = np.asarray(given)
        for step in range(31):
            threshold = 255 - 255 * step / 30
            expected = np.where(pixels < threshold, pixels, 255 - pixels)
            np.testing.assert_array_equal(expected, _OPERATIONS["solarize"](given, threshold, FILL))


@pytest.mark.parametrize(
    ("interpolation", "side", "resize"),
    [("bilinear", 2000, 2300), ("bicubic", 2000, 2300), ("tf-bilinear", 32, 36)],
)
def test_of_a_picture_that_is_a_line_only_the_middle_is_resized(interpolation, side, resize):
    """Whole, it would have 317,400,000,000 pixels; TensorFlow's way 77,760,000, in floats."""
    stream = io.BytesIO()
    Image.new("RGB", (60_000, 1), (200, 100, 0)).save(stream, "PNG")

    pixels = Geometry(side, resize, interpolation).pixels(EncodedImage(stream.getvalue(), "line"), 3)

    assert pixels.shape == (side, side, 3)
    assert (pixels == (200, 100, 0)).all()


@pytest.mark.parametrize(("interpolation", "most"), [("bilinear", 1), ("bicubic", 1), ("tf-bilinear", 9)])
def test_the_middle_alone_is_what_it_is_in_the_whole(monkeypatch, interpolation, most):
    """But for rounding; TensorFlow's takes whole pixels of the picture, of which 12 make 36."""
    encoded, geometry = image(size=(400, 12)), Geometry(32, 36, interpolation)
    expected = geometry.pixels(encoded, 3).astype(int)
    monkeypatch.setattr(preprocessing_module, "_MOST_RESIZED", 0)

    assert np.abs(geometry.pixels(encoded, 3) - expected).max() <= most


@pytest.mark.parametrize("error", [MemoryError(), ValueError("height and width must be > 0")])
def test_what_resizing_raises_is_told_with_the_place(error):
    with (
        pytest.raises(DataError, match=r"1\.png: cannot be brought to another size: (there is|height)"),
        resizing(image()),
    ):
        raise error


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((32.5, 36), "image_size=32.5 is no number of pixels"),
        ((32, "3"), "resize='3' is no number of pixels"),
        ((-1, -1), "image_size=-1 .*resize=-1"),
        ((True, 1), "image_size=True"),
        ((32, 31), "resize=31 is below image_size=32"),
        ((32, 10**6), "more than 178,956,970 pixels"),
        ((32, 36, "foo"), "interpolation='foo' is none of bilinear, bicubic, tf-bilinear"),
        ((32, 36, ["foo"]), "interpolation="),
        ((32, 36, "bicubic", "on"), "draft='on'"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Geometry(*values)


def test_policies_depend_on_their_draws_alone_and_use_every_operation(monkeypatch):
    used = []
    for name, operation in list(_OPERATIONS.items()):
        monkeypatch.setitem(
            _OPERATIONS,
            name,
            lambda p, v, f, name=name, operation=operation: used.append((name, v)) or operation(p, v, f),
        )
    original = whole(image(size=(40, 30)))

    once, again = (
        [trivial_augment(original, Draws(1, AUTO_AUGMENT, n)).tobytes() for n in range(700)] for _ in range(2)
    )
    assert once == again
    counts = {name: sum(each == name for each, _ in used) for name in _WIDE}
    assert all(abs(count - 100) < 50 for count in counts.values())  # 1,400 draws of 14, 5 deviations
    strengths = {round(value, 6) for name, value in used if name == "rotate"}
    assert min(strengths) < -120
    assert max(strengths) > 120
    assert all(
        math.isclose(abs(value) / 4.5 % 1, 0, abs_tol=1e-4)
        or math.isclose(abs(value) / 4.5 % 1, 1, abs_tol=1e-4)
        for value in strengths
    )

    used.clear()
    for n in range(700):
        rand_augment(original, Draws(1, AUTO_AUGMENT, n), operations=2, magnitude=7.0)
    assert set(_INCREASING) == {name for name, _ in used}
    assert abs(len(used) - 700) < 5 * math.sqrt(1400 / 4)  # each of two with probability 1/2
    rotations = [abs(value) for name, value in used if name == "rotate"]
    assert abs(np.mean(rotations) - 21) < 1
    assert 0.5 < np.std(rotations) < 2.5  # half of a tenth of 30 degrees


def test_repeats_read_each_sample_of_an_epoch_several_times_as_epochs_of_their_own():
    plain, repeated = SampleStream(5, 12), SampleStream(5, 12, repeats=3)

    order, _ = plain.samples_at(range(12, 24))
    samples, epochs = repeated.samples_at(range(12, 24))

    assert samples.tolist() == [s for s in order.tolist()[:4] for _ in range(3)]
    assert epochs.tolist() == [3, 4, 5] * 4
    seen = set()
    for epoch in range(6):
        pairs = zip(
            *(t.tolist() for t in repeated.samples_at(range(12 * epoch, 12 * epoch + 12))), strict=True
        )
        seen |= set(pairs)
    assert len(seen) == 72  # no reading is like another


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_crop": "random-resized"}, "train_crop=random-resized needs image_size"),
        ({"image_size": 224, "resize": 200}, "resize=200 is below image_size=224"),
        ({"image_size": 224, "crop_area": (0.5, 0.2)}, "crop_area are two rising numbers"),
        ({"image_size": 224, "crop_area": ()}, "crop_area are two rising numbers"),
        ({"image_size": 224, "crop_area": (), "crop_aspect": ()}, "crop_aspect are two rising numbers"),
        ({"bad_samples": 1.0}, "bad_samples lies in"),
    ],
)
def test_a_preparation_that_cannot_be_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        Preparation(**changes)
