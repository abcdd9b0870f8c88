"""The recipes say what their sources say; the learning rate at chosen steps is one of those things."""

from pathlib import Path

import pytest

from resnetlab.base.plaindata import field_docs, to_plain
from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS
from resnetlab.recipe import Recipe, Schedule
from resnetlab.recipe.named import list_recipes, named_recipe, recipe_doc
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import Resolution, leaves, override, recipe_from_json, recipe_hash
from resnetlab.recipe.timeline import Timeline

CIFAR, IMAGENET = 50_000, 1_281_167


def rate(name: str, depth: int = 20, num_samples: int = CIFAR, **changes: object) -> LearningRate:
    recipe = override(named_recipe(name, depth), changes)
    run = recipe.run
    timeline = Timeline(
        num_samples=num_samples, batch=run.batch, length=run.length, cycle_epochs=run.cycle_epochs
    )
    return LearningRate(recipe.schedule, timeline)


PIECES_64K = {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 63_999: 0.001}
WARM_400 = {0: 0.01, 399: 0.01, 400: 0.1}
WARM_500 = {0: 0.01, 499: 0.01, 500: 0.1}
RATES: list[tuple[str, int, int, dict[int, float]]] = [
    ("he2015", 20, CIFAR, PIECES_64K),
    ("he2015", 56, CIFAR, PIECES_64K),
    ("he2015", 110, CIFAR, PIECES_64K | WARM_400),
    ("he2016", 20, CIFAR, PIECES_64K | WARM_400),
    ("he2016", 1001, CIFAR, PIECES_64K | WARM_400),
    ("chaoji", 20, CIFAR, PIECES_64K | WARM_500),
    ("chaoji-tf2", 110, CIFAR, PIECES_64K | WARM_500),
    # 1,563 steps an epoch, the last with 16 samples
    ("keras", 20, CIFAR, {0: 1e-3, 125_039: 1e-3, 125_040: 1e-4, 187_560: 1e-5, 250_080: 1e-6,
                          281_340: 5e-7}),
    ("tfofficial-cifar", 32, CIFAR, {0: 0.1, 35_545: 0.1, 35_546: 0.01, 53_124: 0.01, 53_125: 0.001,
                                     71_093: 1e-4}),
    ("tfofficial-imagenet", 50, IMAGENET, {0: 0.0, 12_511: 0.064, 25_022: 0.128, 150_135: 0.128,
                                           150_136: 0.0128, 300_273: 0.00128, 400_364: 1.28e-4,
                                           450_410: 1.28e-5}),
    # batch 4,096: 313 steps an epoch, 28,170 in all, 1,563 of them warm-up; a quarter of 5 half-way, one
    # step before the end (1 / 26,607)^2 of it above 1e-4
    ("tfofficial-lars", 50, IMAGENET, {0: 0.0, 521: 1.66667, 1_563: 5.0, 14_866: 1.250169, 14_867: 1.249981,
                                       28_169: 1.00007e-4}),
    # 391 steps an epoch; the warm-up ends after 2 of 30 and 60 epochs
    ("paper-fast", 20, CIFAR, {0: 0.005, 390: 0.0274712, 781: 0.05, 6_250: 0.025, 11_718: 4.5712e-6}),
    ("paper-fast", 56, CIFAR, {0: 0.005, 781: 0.05, 12_109: 0.0250011, 23_437: 2.20682e-6}),
    # batch 256: 196 steps an epoch, or 391; the warm-up ends after 1 of 200 and 800
    ("standard", 20, CIFAR, {0: 0.08, 195: 0.8, 19_629: 0.4, 39_062: 1.3066e-9}),
    ("max", 20, CIFAR, {0: 0.04, 390: 0.4, 156_445: 0.2}),
    ("tfresearch", 32, CIFAR, {0: 0.1, 39_999: 0.1, 40_000: 0.01, 60_000: 0.001, 80_000: 1e-4, 89_999: 1e-4}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "depth", "num_samples", "expected"), RATES)
def test_the_learning_rate_at_chosen_steps(
    name: str, depth: int, num_samples: int, expected: dict[int, float]
) -> None:
    schedule = rate(name, depth, num_samples)

    found = {step: schedule.at(step) for step in expected}

    assert found == pytest.approx(expected, rel=1e-4)


LENGTHS = [
    ("he2015", CIFAR, 64_000, 8_192_000),
    ("chaoji", CIFAR, 64_000, 8_192_000),
    ("keras", CIFAR, 200 * 1_563, 200 * CIFAR),
    ("tfofficial-cifar", CIFAR, 71_108, 182 * CIFAR),
    ("tfofficial-imagenet", IMAGENET, 90 * 5_005, 90 * IMAGENET),
    ("tfofficial-lars", IMAGENET, 90 * 313, 90 * IMAGENET),
    ("tfresearch", CIFAR, 90_000, 90_000 * 128),
    ("keras-plateau", CIFAR - 5_000, 200 * 1_407, 200 * 45_000),
    ("paper-fast", CIFAR, 11_719, 11_719 * 128),
    ("standard", CIFAR, 39_063, 39_063 * 256),
    ("max", CIFAR, 312_500, 800 * CIFAR),
]


@pytest.mark.parametrize(("name", "num_samples", "steps", "samples"), LENGTHS)
def test_the_length_in_steps_and_samples(name: str, num_samples: int, steps: int, samples: int) -> None:
    timeline = rate(name, 20, num_samples).timeline

    assert timeline.num_steps == steps
    assert timeline.samples_seen(steps) == samples


def test_the_rate_scales_with_the_batch_only_where_the_original_does() -> None:
    assert rate("tfofficial-cifar", batch=256).at(0) == pytest.approx(0.2)
    assert rate("tfofficial-imagenet", 50, IMAGENET, batch=32).peak == pytest.approx(0.016)
    assert rate("tfofficial-lars", 50, IMAGENET, batch=8192).peak == 10
    assert rate("he2015", batch=256).at(0) == 0.1


@pytest.mark.parametrize(("batch", "changes"), [
    (4096, {}),
    (8192, {}),
    (16384, {"lr_batch": 0, "lr": 25.0}),
    (32768, {"lr_batch": 0, "lr": 32.0, "warmup": Duration(14, "ep")}),
])  # fmt: skip
def test_the_rate_for_large_batches_is_the_originals_while_it_falls(
    batch: int, changes: dict[str, object]
) -> None:
    """`poly_rate_fn` of resnet_run_loop.py restated, over the steps that are made."""
    ours = rate("tfofficial-lars", 50, IMAGENET, batch=batch, **changes)
    last = ours.timeline.num_steps

    def original(step: int) -> float:
        peaks = [(8192, 5.0, 5), (16384, 10.0, 5), (32768, 25.0, 5), (10**9, 32.0, 14)]
        peak, epochs = next((peak, epochs) for below, peak, epochs in peaks if batch < below)
        warm = int(epochs * IMAGENET / batch)
        if step <= warm:
            return peak * step / warm
        return (peak - 1e-4) * (1 - max(1, step - warm) / (last - warm + 1)) ** 2 + 1e-4

    for step in (0, 1, 100, last // 10, last // 4, last // 2, last * 3 // 4):  # it ends one step later there
        assert ours.at(step) == pytest.approx(original(step), rel=3 / (last - step), abs=1e-4), step


@pytest.mark.parametrize(
    ("name", "length", "said"),
    [
        ("quick", "15ep", ""),
        ("quick", "2ep", "the run ends within its warm-up of 2ep; --set warmup=0ep"),
        ("he2015", "64000st", ""),
        ("he2015", "40000st", "the run ends before 48000st; --set milestones"),
        ("he2015", "2ep", "the run ends before 32000st and 48000st; --set milestones"),
        ("keras-plateau", "1ep", ""),
    ],
)
def test_a_schedule_of_which_a_run_reaches_a_part_says_so(name: str, length: str, said: str) -> None:
    found = rate(name, length=Duration.parse(length)).unreached()
    assert found.startswith(said) and bool(found) == bool(said)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0])
def test_a_polynomial_falls_by_the_power_of_the_steps_left(power: float) -> None:
    recipe = override(
        named_recipe("quick"),
        {"schedule": "polynomial", "lr": 8.0, "lr_end": 0.25, "lr_power": power, "warmup": Duration(2, "st")},
    )
    found = LearningRate(recipe.schedule, Timeline(num_samples=10, batch=5, length=Duration(6, "st")))

    at = [found.at(step) for step in range(2, 6)]

    assert at == pytest.approx([2 + 6 * left**power for left in (1.0, 0.75, 0.5, 0.25)])
    assert found.describe().endswith(f"polynomial of power {power:g} to 2")


def test_an_exponential_warm_up_rises_by_equal_factors() -> None:
    changes = {"schedule": "constant", "lr": 8.0, "warmup": Duration(3, "st"), "warmup_from": 1 / 64}
    recipe = override(named_recipe("quick"), {**changes, "warmup_form": "exponential"})
    found = LearningRate(recipe.schedule, Timeline(num_samples=10, batch=5, length=Duration(6, "st")))

    assert [found.at(step) for step in range(5)] == pytest.approx([1 / 8, 1 / 2, 2, 8, 8])
    assert found.describe() == "3st warm-up from 0.125 by equal factors, then 8 throughout"


def test_an_exponential_warm_up_from_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="warmup_form=exponential needs warmup_from above 0"):
        Schedule(warmup_form="exponential")


def test_a_polynomial_without_a_power_is_refused() -> None:
    with pytest.raises(UsageError, match="lr_power is above 0 and finite, got 0"):
        Schedule(lr_power=0.0)


PAPERS = ("he2015", "he2016")
ORIGINALS = (
    "chaoji",
    "chaoji-tf2",
    "keras",
    "tfofficial-cifar",
    "tfofficial-imagenet",
    "tfofficial-lars",
    "tfresearch",
)
RECORDS = ("paper-fast", "standard", "max")


@pytest.mark.parametrize("name", (*PAPERS, *ORIGINALS, *RECORDS))
def test_what_is_decayed_is_said(name: str) -> None:
    assert "eight decay" in recipe_doc(name)


@pytest.mark.parametrize("name", ORIGINALS)
def test_every_originals_corrections_are_listed(name: str) -> None:
    assert "Corrected:" in recipe_doc(name)


@pytest.mark.parametrize("model", ["bottleneck1001", "cifar100_wrn28_10", "resnet110", "bottleneck164"])
def test_the_largest_research_networks_have_half_the_batch(model: str) -> None:
    is_large = model.endswith(("1001", "wrn28_10"))

    assert named_recipe("tfresearch", model_spec(f"tfresearch_{model}").depth).run.batch == 64 * (
        2 - is_large
    )


@pytest.mark.parametrize("name", RECORDS)
def test_a_recipe_that_was_not_measured_says_so_where_recipes_are_listed(name: str) -> None:
    assert recipe_doc(name).startswith("Not yet measured")
    assert named_recipe(name, 20).execution.precision == "bf16"


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_goes_through_json_and_back(name: str) -> None:
    recipe = named_recipe(name, 20)

    again = recipe_from_json(to_plain(recipe))

    assert again == recipe
    assert recipe_hash(again) == recipe_hash(recipe)
    assert recipe.name == name


def test_every_value_has_a_name_of_its_own_and_a_help_text() -> None:
    recipe = Recipe()
    groups = [getattr(recipe, leaf.group) for leaf in leaves(recipe).values()]

    assert len(leaves(recipe)) == sum(len(vars(group)) for group in {type(g): g for g in groups}.values())
    for name, leaf in leaves(recipe).items():
        assert field_docs(type(getattr(recipe, leaf.group))).get(name), name


def test_no_value_of_a_recipe_is_called_like_a_knob_of_a_model() -> None:
    assert not set(leaves(Recipe())) & set(KNOBS)


def test_every_value_can_be_set_from_its_own_text() -> None:
    recipe = named_recipe("he2015", 110)
    resolution = Resolution(named_recipe("quick", 20))

    resolution.set_texts({name: leaf.text for name, leaf in leaves(recipe).items()}, "flag")

    assert resolution.recipe.renamed("he2015") == recipe
    assert set(resolution.origins.values()) == {"flag"}


def test_what_a_file_says_wrongly_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("learning = 1")

    with pytest.raises(UsageError, match=r"mine\.toml: no setting is called 'learning'"):
        Resolution(named_recipe("he2015", 20)).set_file(path)


def test_the_origin_of_every_value(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "mine.toml"
    path.write_text('lr = 0.3\n[optimizer]\nmomentum = 0.8\n[run]\nlength = "7ep"\n')
    resolution = Resolution(named_recipe("he2015", 20))
    resolution.set_file(path)
    resolution.set_texts({"run.batch": "64"}, "flag")

    origins = {n: resolution.origins[n] for n in ("lr", "momentum", "length", "batch", "nesterov", "factors")}
    assert origins == {
        "lr": "file mine.toml",
        "momentum": "file mine.toml",
        "length": "file mine.toml",
        "batch": "flag",
        "nesterov": "default",
        "factors": "recipe he2015",
    }
    recipe = resolution.recipe
    assert (recipe.schedule.lr, recipe.optimizer.momentum, recipe.run.batch) == (0.3, 0.8, 64)
    assert recipe.run.length == Duration(7, "ep")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lr", "fast", "lr=fast: not a number"),
        ("batch", "12.5", "batch=12.5: not a whole number"),
        ("batch", "0", "batch must be at least 1, got 0"),
        ("nesterov", "perhaps", "nesterov=perhaps: write true or false"),
        ("schedule", "stairs", "schedule=stairs: not one of constant, pieces, linear, cosine"),
        ("length", "3 weeks", "not a duration: '3 weeks'"),
        ("momentun", "0.9", "no setting is called 'momentun'"),
        ("milestones", "10ep", "one factor per milestone is due, got 2 for 1"),
        ("milestones", "48000st,32000st", "milestones must rise: [48000, 32000]"),
    ],
)
def test_a_wrong_value_is_refused_with_a_text_that_says_why(name: str, text: str, message: str) -> None:
    resolution = Resolution(named_recipe("he2015", 20))
    with pytest.raises(UsageError) as error:
        resolution.set_texts({name: text}, "flag")
        _ = resolution.recipe

    assert message in str(error.value)


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean he2015"):
        named_recipe("he2005")
