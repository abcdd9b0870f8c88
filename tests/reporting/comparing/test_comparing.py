"""Comparisons: what chance can make of a difference, said in words, and what cannot be compared refused."""

import csv
import itertools
import json
import os
import shutil
from pathlib import Path

import pytest
from scipy import stats

import resnetlab
from resnetlab.errors import DataError, UsageError
from resnetlab.reporting import report
from resnetlab.reporting.comparing import compare, comparisons
from resnetlab.reporting.comparing.tables import wrapped
from resnetlab.reporting.comparing.words import p_text
from tests.kit.compared_runs import evaluation, lay_answers, marks, run_with_answers
from tests.kit.reported_runs import as_cifar, copied, edit, read

FIRST, SECOND = (9070, 9090, 9085), (9140, 9120, 9152)
"""Right answers of three seeds each."""

PARTS = (("plain20", 0), ("plain20", 1), ("plain20", 2), ("resnet20", 9), ("resnet20", 2), ("resnet20", 1))


@pytest.fixture(scope="module")
def real(real_runs: Path) -> Path:
    return real_runs / "seed0"


def two_studies(
    real: Path, at: Path, first: tuple[int, ...] = FIRST, second: tuple[int, ...] = SECOND
) -> None:
    for network, counts in (("plain20", first), ("resnet20", second)):
        for seed, count in enumerate(counts):
            as_cifar(real, at / network / f"seed{seed}", network, seed=seed, correct=count)


def words(comparison: resnetlab.reporting.comparing.Comparison) -> str:  # type: ignore[name-defined]
    return " ".join(str(comparison).split())


def test_two_studies_are_compared_by_welchs_test_over_seeds(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)

    found = resnetlab.compare(tmp_path / "plain20", tmp_path / "resnet20")

    errors = [[100 * (10_000 - count) / 10_000 for count in counts] for counts in (FIRST, SECOND)]
    expected = stats.ttest_ind(*errors, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    (row,) = found.to_json()["comparisons"]
    assert row["difference"] == pytest.approx(sum(errors[0]) / 3 - sum(errors[1]) / 3)
    assert row["interval"] == pytest.approx([low, high])
    assert row["p"] == row["p_corrected"] == pytest.approx(expected.pvalue)
    assert (row["first"]["n"], row["is_more_than_chance"], row["tests"]) == (3, True, 1)
    assert (
        f"B (resnet20) is better than A (plain20) by {row['difference']:.2f} ± {(high - low) / 2:.2f} points"
        f" (95 % interval {low:.2f} to {high:.2f}), {p_text(expected.pvalue)}, n = 3."
    ) in words(found)


def test_the_side_that_is_named_first_is_a_and_either_can_be_better(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)

    found = compare(tmp_path / "resnet20", tmp_path / "plain20")

    (row,) = found.to_json()["comparisons"]
    assert (row["first"]["name"], row["difference"] < 0) == ("resnet20", True)
    assert "A (resnet20) is better than B (plain20) by 0.56 ±" in words(found)
    low, high = row["interval"]
    assert f"interval {-high:.2f} to {-low:.2f})" in words(found)


def test_what_chance_can_make_is_said_to_be_no_more(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path, (9070, 9150, 9110), (9080, 9165, 9120))

    found = compare(tmp_path / "plain20", tmp_path / "resnet20")

    text = words(found)
    assert "B (resnet20) is better than A (plain20), but not by more than chance: 0.12 ± " in text
    assert ", p = .75, n = 3. That they are equal does not follow." in text
    assert found.to_json()["comparisons"][0]["is_more_than_chance"] is False


@pytest.mark.parametrize(
    ("p", "text"),
    (
        (0.4123, "p = .41"), (0.0031, "p = .003"), (0.00099, "p < .001"), (0.04999, "p = .04999"),
        (0.0500001, "p = .050"), (0.1, "p = .10"), (1.0, "p = 1"), (0.999, "p = 1"), (0.95, "p = .95"),
    ),
)  # fmt: skip
def test_p_is_never_rounded_across_five_percent(p: float, text: str) -> None:
    assert p_text(p) == text


def test_seeds_in_one_folder_or_named_one_by_one_are_the_same_sides(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)
    one_by_one = sorted(tmp_path.glob("*/*"))

    found = [compare(*paths).to_json() for paths in ([tmp_path], one_by_one, one_by_one[::-1])]

    assert {len(each["sides"]) for each in found} == {2}
    assert len({abs(each["comparisons"][0]["difference"]) for each in found}) == 1


def test_runs_that_differ_in_the_seed_alone_are_compared_as_they_are_named(
    real: Path, tmp_path: Path
) -> None:
    right = {seed: marks(9000 + 100 * seed, 10_000, seed=seed) for seed in (0, 1)}
    for seed, each in right.items():
        run_with_answers(real, tmp_path / f"seed{seed}", "resnet20", each, seed=seed)

    found = compare(tmp_path / "seed0", tmp_path / "seed1")

    (row,) = found.to_json()["comparisons"]
    (images,) = row["images"]
    counts = {
        pair: sum((one, other) == pair for one, other in zip(right[0], right[1], strict=True))
        for pair in itertools.product((True, False), repeat=2)
    }
    assert images["only_first"] == counts[True, False]
    assert images["only_second"] == counts[False, True]
    assert (images["both"], images["neither"]) == (counts[True, True], counts[False, False])
    few, all_that_flip = (
        min(images["only_first"], images["only_second"]),
        counts[True, False] + counts[False, True],
    )
    assert images["p"] == pytest.approx(stats.binomtest(few, all_that_flip).pvalue)
    assert row["p"] is None
    text = words(found)
    assert f"B alone is right on {counts[False, True]} and A alone on {counts[True, False]}, p" in text
    assert "n = 1 (McNemar, exact). This is of these two networks on such images" in text


def test_what_chance_can_make_of_the_images_is_said_to_be_no_more(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", marks(90, 100))
    evaluation(tmp_path / "b", marks(91, 100, seed=1))

    said = words(compare(tmp_path / "a", tmp_path / "b"))

    assert "B is better than A, but not by more than chance, by 1.00 points: on the same 100 images" in said
    assert "That they are equal does not follow." in said
    assert "more seeds" not in said


def test_two_tests_of_a_kind_are_said_to_be_corrected(real: Path, tmp_path: Path) -> None:
    for network, base in (("plain20", 900), ("resnet20", 940)):
        for seed in (0, 1):
            right = marks(base + seed, 1000, seed=seed + base)
            run_with_answers(real, tmp_path / f"{network}-{seed}", network, right, seed=seed)

    assert "of 2 pairs of seeds that is more than chance (McNemar, exact, Holm, 2 tests," in words(
        compare(tmp_path)
    )


def test_a_number_stays_with_its_unit_and_long_names_are_cut(tmp_path: Path) -> None:
    long = ["a class of a very long name", "b"]
    for seed, name in enumerate("ab"):
        right = marks(90 + seed, 100, seed=seed)
        lay_answers(evaluation(tmp_path / name, right, keeps=False), right, names=long)

    text = str(compare(tmp_path / "a", tmp_path / "b"))
    assert "  a class of a ...  b " in text
    assert not any(
        line.startswith(("%", "= ", "± ")) or line.endswith((" p", " n", " =")) for line in text.splitlines()
    )
    found = {wrapped("", f"{'x' * count} p = .41, n = 3, 95 % and 1 ± 2") for count in range(45, 80)}
    assert not any(
        line.startswith(("%", "= ", "± ", ".41", "3,")) for lines in found for line in lines.splitlines()
    )


def test_many_commands_are_cut_short(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path, FIRST + FIRST, SECOND + SECOND)

    found = compare(tmp_path)

    assert str(found).count("  resnetlab eval ") == 6
    assert str(found).endswith("\n  ... and so on, 12 in all: --json names them")
    assert len(found.to_json()["comparisons"][0]["commands"]) == 12
    assert "and 6 more" in found.markdown()


def test_the_images_that_flip_are_listed_and_written(real: Path, tmp_path: Path) -> None:
    right = [True] * 100
    for index, name in ((3, "a"), (50, "b")):
        wrong = [*right]
        wrong[index] = False
        wrong[7] = False  # in both
        evaluation(tmp_path / name, wrong)

    found = compare(tmp_path / "a", tmp_path / "b")
    found.to_csv(tmp_path / "flips.csv")

    ours, theirs = found.flips()
    assert found.pairs[0].is_more_than_chance is False
    assert [(flip.place, flip.answers) for flip in ours] == [("0/50.png", ("0", "1"))]
    assert [(flip.place, flip.truth, flip.answers) for flip in theirs] == [("3/3.png", "3", ("4", "3"))]
    text = str(found)
    assert (
        "A and B have the same error; on the same 100 images A alone is right on 1 and B alone on 1."
        in words(found)
    )
    assert "Right in A alone (1 of 1):\nimage     truth  A says  B says\n0/50.png  0      0       1\n" in text
    rows = [*csv.DictReader((tmp_path / "flips.csv").open())]
    assert [(row["sample"], row["place"], row["right"]) for row in rows] == [
        ("3", "3/3.png", "B"),
        ("50", "0/50.png", "A"),
    ]
    assert compare(tmp_path / "a", tmp_path / "b", flips=0).flips() == ([], [])
    assert "Right in A" not in str(compare(tmp_path / "a", tmp_path / "b", flips=0))


def test_equal_counts_are_the_same_error_and_p_is_one(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", [False, True, True])
    evaluation(tmp_path / "b", [True, False, True])

    said = words(compare(tmp_path / "a", tmp_path / "b"))
    assert "A and B have the same error; on the same 3 images A alone is right on 1 and B alone on 1." in said
    assert "points" not in said


def test_several_seeds_are_paired_by_seed_and_corrected(real: Path, tmp_path: Path) -> None:
    for network, base in (("plain20", 900), ("resnet20", 940)):
        for seed in (0, 1, 2):
            right = marks(base + seed, 1000, seed=seed + base)
            run_with_answers(real, tmp_path / f"{network}-{seed}", network, right, seed=seed)
    lone = run_with_answers(real, tmp_path / "resnet20-9", "resnet20", marks(950, 1000, seed=9), seed=9)

    found = compare(tmp_path)

    (row,) = found.to_json()["comparisons"]
    assert [each["seeds"] for each in row["images"]] == [[0, 0], [1, 1], [2, 2]]
    assert row["second"]["n"] == 4
    ps = [each["p"] for each in row["images"]]
    least = min(range(3), key=lambda index: ps[index])
    assert row["images"][least]["p_corrected"] == pytest.approx(3 * ps[least])
    assert "seeds  A alone  B alone  both  neither" in str(found)
    assert "of 3 pairs of seeds that is more than chance (McNemar, exact, Holm, 3 tests, p < .05)" in words(
        found
    )
    part = compare(*(tmp_path / f"{name}-{seed}" for name, seed in PARTS)).to_json()["comparisons"][0]
    assert [each["seeds"] for each in part["images"]] == [[1, 1], [2, 2]]
    strangers = compare(tmp_path / "plain20-0", tmp_path / "plain20-1", tmp_path / "resnet20-2", lone)
    assert [each["seeds"] for each in strangers.to_json()["comparisons"][0]["images"]] == [[0, 2], [1, 9]]
    best, _ = found.flips(most=1000)
    differences = [flip.right[0] - flip.right[1] for flip in best]
    assert differences == sorted(differences, reverse=True)
    assert min(differences) > 0
    shutil.rmtree(lone / "eval")
    assert found.to_json()["comparisons"][0]["images"] == row["images"]


def test_of_three_networks_each_pair_is_compared_and_corrected_by_holm(real: Path, tmp_path: Path) -> None:
    for network, base in (("plain20", 9000), ("resnet20", 9060), ("resnet32", 9075)):
        for seed, more in enumerate((0, 12, 31)):
            as_cifar(real, tmp_path / f"{network}-{seed}", network, seed=seed, correct=base + more)

    found = compare(tmp_path)

    rows = found.to_json()["comparisons"]
    assert [(row["first"]["letter"], row["second"]["letter"]) for row in rows] == [
        ("A", "B"), ("A", "C"), ("B", "C"),
    ]  # fmt: skip
    ps = sorted((row["p"], row["p_corrected"]) for row in rows)
    assert ps[0][1] == pytest.approx(3 * ps[0][0])
    assert ps[1][1] == pytest.approx(max(2 * ps[1][0], ps[0][1]))
    assert "(Holm, 3 tests), n = 3" in words(found)
    assert "p is corrected for all tests of its kind here (Holm, 1979)" in words(found)


def test_one_network_each_without_answers_has_intervals_and_the_commands(real: Path, tmp_path: Path) -> None:
    as_cifar(real, tmp_path / "a b", "resnet20", correct=9125)
    as_cifar(real, tmp_path / "c", "resnet32", correct=9249)

    text = str(compare(tmp_path / "a b", tmp_path / "c"))

    low, high = stats.binomtest(875, 10_000).proportion_ci(0.95, "wilson")
    said = " ".join(text.split())
    assert (
        "B (resnet32) is better than A (resnet20) by 1.24 points, n = 1; whether that is chance is open."
        in said
    )
    assert f"95 % intervals of each alone: A 8.75 % ({100 * low:.2f} to {100 * high:.2f})" in said
    assert f"\n  resnetlab eval '{tmp_path}/a b'\n  resnetlab eval {tmp_path}/c" in text


def test_one_seed_beside_several_leaves_it_open(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path, FIRST, (9140,))

    found = compare(tmp_path)

    assert "n = 3 and 1; whether that is chance is open: B has one seed, two are the least." in words(found)
    assert found.to_json()["comparisons"][0]["is_more_than_chance"] is None


def test_seeds_without_any_spread_are_no_proof(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path, (9000, 9000), (9100, 9100))

    text = words(compare(tmp_path))
    assert "by 1.00 points, n = 2; no seed differs from another" in text
    assert "p <" not in text and "p =" not in text


def test_other_data_splits_numbers_and_the_same_thing_twice_are_refused(real: Path, tmp_path: Path) -> None:
    right = marks(90, 100)
    as_cifar(real, tmp_path / "run", "resnet20", correct=90, seen=100)
    other = as_cifar(real, tmp_path / "other", "resnet32", correct=91, seen=100)
    edit(other / "data.json", fingerprint="another-print")
    evaluation(tmp_path / "e", right)
    evaluation(tmp_path / "val", right, split="val")
    evaluation(tmp_path / "few", right[:50])
    evaluation(tmp_path / "crops", right, views="10crop")
    os.symlink(tmp_path / "run", tmp_path / "link")
    shutil.copytree(tmp_path / "run", tmp_path / "copy")

    for first, second, said in (
        ("run", "other", "of other data, by its fingerprint: A cifar10 (cifar10) and B cifar10 (another-)"),
        ("e", "val", "of other splits: A test and B val"),
        ("e", "few", "of other numbers of images: A 100 and B 50"),
        ("e", "crops", "of other views of each image: A single and B 10crop"),
        ("run", "run", "the same thing twice"),
        ("e", "e", "the same thing twice"),
        ("run", "link", "the same thing twice"),
        ("run", "copy", "the same network twice"),
    ):
        with pytest.raises(UsageError) as refused:
            compare(tmp_path / first, tmp_path / second)
        assert said in str(refused.value), (first, second)
        assert refused.value.hint


def test_errors_of_several_views_are_called_so(tmp_path: Path) -> None:
    for name, right in (("e", 90), ("f", 80)):
        evaluation(tmp_path / name, marks(right, 100), views="10crop", keeps=False)

    found = compare(tmp_path / "e", tmp_path / "f")

    for text in (str(found), found.markdown(), found.latex()):
        assert "10crop: answers averaged over views of each image" in " ".join(text.split())
    assert [side["views"] for side in found.to_json()["sides"]] == ["10crop", "10crop"]
    assert all(" --views 10crop " in command for command in found.to_json()["comparisons"][0]["commands"])
    edit(tmp_path / "f" / "scores.json", views="12crop")
    with pytest.raises(DataError, match="views is '12crop'"):
        compare(tmp_path / "e", tmp_path / "f")


def test_a_run_beside_its_own_evaluation_is_the_same_network(real: Path, tmp_path: Path) -> None:
    run = run_with_answers(real, tmp_path / "run", "resnet20", marks(90, 100))
    own = run / "eval" / "step-00064000-test"
    facts = {"checkpoint": str(run), "data": "cifar10", "fingerprint": "cifar10", "split": "test"}
    scores = facts | {"weights": "weights", "step": 64_000, "correct": 90, "seen": 100}
    (own / "scores.json").write_text(json.dumps(scores))
    earlier = run / "eval" / "step-00000100-test"
    shutil.copytree(own, earlier)
    edit(earlier / "scores.json", step=100)

    with pytest.raises(UsageError, match="the same network twice"):
        compare(run, own)
    edit(own / "scores.json", correct=89)  # which another device may find
    (own / "answers.npz").unlink()
    with pytest.raises(UsageError, match="the same network twice"):
        compare(run, own)
    said = words(compare(own, earlier))
    assert "B: of step 100, not the last one (64,000): if it was chosen by this score" in said
    assert "selection on the test set" in said


def test_a_rerun_that_ended_otherwise_is_no_copy(real: Path, tmp_path: Path) -> None:
    for name, correct, loss in (("a", 9000, 0.5), ("b", 9000, 0.25), ("c", 9001, 0.5)):
        edit(as_cifar(real, tmp_path / name, "resnet20", correct=correct) / "RESULT.json", loss=loss)

    for other in ("b", "c"):
        assert compare(tmp_path / "a", tmp_path / other).pairs
    edit(tmp_path / "b" / "RESULT.json", loss=0.5)
    with pytest.raises(UsageError, match="the same network twice"):
        compare(tmp_path / "a", tmp_path / "b")


def test_a_seed_made_twice_counts_once_with_its_mean(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)
    as_cifar(real, tmp_path / "plain20" / "again", "plain20", seed=0, correct=9000)

    found = compare(tmp_path)

    (row,) = found.to_json()["comparisons"]
    assert row["first"]["errors"] == pytest.approx([(10.0 + 9.3) / 2, 9.1, 9.15])
    assert "note: A: seed 0 more than once, counted as one: " in words(found)


def test_a_long_name_stands_in_the_table_alone(tmp_path: Path) -> None:
    long = "a network of a name that is much too long for a sentence"
    evaluation(tmp_path / long, marks(90, 100))
    evaluation(tmp_path / "b", marks(70, 100))

    text = str(compare(tmp_path / long, tmp_path / "b"))
    assert "\nA is better than B by 20.00 points" in text
    assert f"A  {tmp_path}/{long}  1 " in text


def test_validation_images_that_others_were_held_out_are_refused(real: Path, tmp_path: Path) -> None:
    for name, indices in (("a", [1, 2, 3]), ("b", [1, 2, 4])):
        run = as_cifar(real, tmp_path / name, "resnet20", seed=len(name))
        edit(run / "data.json", val_indices=indices)
        evaluation(run / "eval" / "v", [True, False, True], split="val")
    a, b = (tmp_path / name / "eval" / "v" for name in ("a", "b"))

    with pytest.raises(UsageError, match="each held out others for validation"):
        compare(a, b)
    edit(tmp_path / "b" / "data.json", val_indices=[1, 2, 3])
    edit(tmp_path / "b" / "recipe.json", run=read(tmp_path / "b" / "recipe.json")["run"] | {"seed": 5})
    assert "on validation images, by which" in words(compare(a, b))


def test_evaluations_of_seeds_of_one_recipe_are_one_side(real: Path, tmp_path: Path) -> None:
    folders = []
    for network, base in (("plain20", 900), ("resnet20", 940)):
        for seed in (0, 1):
            run = as_cifar(real, tmp_path / f"{network}-{seed}", network, seed=seed)
            right = marks(base + 3 * seed, 1000, seed=base + seed)
            folders.append(evaluation(run / "eval" / "photos", right, data="photos", fingerprint="photos"))

    found = compare(*folders)

    (row,) = found.to_json()["comparisons"]
    assert (row["first"]["n"], row["second"]["n"], row["first"]["data"]) == (2, 2, "photos")
    assert row["p"] is not None and len(row["images"]) == 2


def test_warnings_of_selection_budget_and_what_differs_besides(real: Path, tmp_path: Path) -> None:
    chosen = as_cifar(real, tmp_path / "a", "resnet20", lr=0.2, batch=64)
    edit(chosen / "RESULT.json", stopped_on_test=True, epochs=82.0)
    edit(
        as_cifar(real, tmp_path / "b", "resnet32") / "RESULT.json", epochs=163.84, weights="averaged weights"
    )
    same = as_cifar(real, tmp_path / "c", "resnet20", lr=0.05, batch=64)
    edit(same / "RESULT.json", epochs=82.2)

    text = words(compare(tmp_path / "a", tmp_path / "b"))
    assert "note: A: selection on the test set: the run ended when the test accuracy reached a goal" in text
    assert "Mind: of different budgets: A 82 and B 163.8 epochs." in text
    assert "Mind: besides the networks, the recipes differ: batch 64 and 128; lr 0.2 and 0.1." in text
    assert "Mind: weights of A, averaged weights of B." in text
    alone = words(compare(tmp_path / "a", tmp_path / "c"))
    assert "Mind" not in alone  # one value differs, which is what is compared; 0.2 epochs are no other budget
    assert "A resnet20, lr=0.2" in alone


def test_unfinished_runs_are_left_out_and_said(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)
    (tmp_path / "plain20" / "seed2" / "RESULT.json").unlink()
    (tmp_path / "resnet20" / "seed1" / "RESULT.json").unlink()

    text = words(compare(tmp_path))
    assert ", n = 2." in text
    assert f"left out, as it is not at its end: {tmp_path}/plain20/seed2, step" in text
    for seed in (0, 2):
        (tmp_path / "resnet20" / f"seed{seed}" / "RESULT.json").unlink()
    with pytest.raises(
        UsageError, match="nothing to be compared with: its 2 runs differ in nothing but the seed"
    ):
        compare(tmp_path)


def test_damaged_answers_are_told_all_at_once(real: Path, tmp_path: Path) -> None:
    runs = [
        run_with_answers(real, tmp_path / name, name, marks(90 + i, 100, seed=i))
        for i, name in enumerate(("resnet20", "resnet32", "resnet44", "resnet56"))
    ]
    folders = [run / "eval" / "step-00064000-test" for run in runs]
    (folders[1] / "answers.npz").write_bytes(b"PK")
    lay_answers(folders[2], marks(90, 99))
    places = [f"other/{index}.png" for index in range(100)]
    lay_answers(folders[3], marks(93, 100, seed=3), place=places)

    with pytest.raises(DataError) as refused:
        compare(*runs)
    said = str(refused.value)
    assert f"{folders[1]}/answers.npz is damaged" in said
    assert f"{folders[2]}/answers.npz has 99 answers, scored were 100 images" in said
    assert "is of other images than" in said and "place of row 0 is other/0.png and 0/0.png" in said


def test_answers_of_other_classes_are_of_other_images(tmp_path: Path) -> None:
    for name, classes in (("a", ["cat", "dog"]), ("b", ["cat", "dog", "emu"])):
        right = [True, True, False, True]
        lay_answers(evaluation(tmp_path / name, right, keeps=False), right, names=classes)

    with pytest.raises(DataError, match=r"is of other images than .*: the classes are others"):
        compare(tmp_path / "a", tmp_path / "b")


def test_an_evaluation_whose_files_contradict_each_other_is_damaged(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", marks(90, 100))
    lay_answers(evaluation(tmp_path / "b", marks(91, 100), keeps=False), marks(92, 100))

    with pytest.raises(DataError, match=r"has 92 right answers, its scores\.json 91"):
        compare(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("value", (None, "x", 0, -1, 1.5, [], True, {}))
@pytest.mark.parametrize(
    "name", ("data", "fingerprint", "split", "weights", "checkpoint", "correct", "seen", "step")
)
def test_no_damaged_score_ends_in_anything_but_a_message(name: str, value: object, tmp_path: Path) -> None:
    evaluation(tmp_path / "a", marks(90, 100))
    evaluation(tmp_path / "b", marks(91, 100), **{name: value})

    try:
        str(compare(tmp_path / "a", tmp_path / "b"))
    except (DataError, UsageError) as error:
        is_told = "scores.json is damaged" in str(error) or "its scores.json 0" in str(error)
        assert isinstance(error, UsageError) or is_told
    else:
        assert isinstance(value, str) or (name, value) == ("step", 0)


def test_runs_of_version_0_1_0_are_compared(tmp_path: Path) -> None:
    old = Path(__file__).parents[2] / "old_files" / "0.1.0" / "run"
    other = copied(old, tmp_path / "other", seed=77)
    edit(other / "RESULT.json", correct=30, accuracy=30 / 359)

    text = str(compare(old, other))

    assert f"B is better than A by {100 * 11 / 359:.2f} points, n = 1" in " ".join(text.split())
    assert f"\n  resnetlab eval {old}\n" in text
    evaluations = [path / "eval" / "step-00000008-test" for path in (old, other)]
    edit(evaluations[1] / "scores.json", correct=30)
    assert "B is better than A by 3.06 points" in words(compare(*evaluations))
    with pytest.raises(UsageError, match="the same network twice"):
        compare(old, evaluations[0])


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    name = "\x1b[2J$(rm)|<script>alert(1)</script>\\input{x}\n&%_#"
    for folder, right in (("a", marks(60, 100)), (name.replace("/", ":"), marks(80, 100, seed=1))):
        lay_answers(evaluation(tmp_path / folder, right, keeps=False, data=name), right, names=[name, "=1+1"])

    found = compare(tmp_path / "a", tmp_path / name.replace("/", ":"))
    found.to_csv(tmp_path / "flips.csv")

    assert "\x1b" not in str(found) + found.markdown() + found.latex()
    assert "<script" not in found.markdown()
    assert "\\input{" not in found.latex() and "\\textbackslash{}input\\{x\\}" in found.latex()
    assert json.loads(json.dumps(found.to_json()))
    rows = [*csv.reader((tmp_path / "flips.csv").open())]
    assert {len(row) for row in rows} == {10}
    assert not any(cell.startswith("=") for row in rows for cell in row)


def test_many_answers_are_compared_quickly(tmp_path: Path) -> None:
    import time

    for seed, name in enumerate("ab"):
        evaluation(tmp_path / name, marks(160_000, 200_000, seed=seed))
    start = time.process_time()
    str(compare(tmp_path / "a", tmp_path / "b"))

    assert time.process_time() - start < 2  # a slow machine's


def test_a_page_has_every_pair_of_groups_with_the_words(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)
    digits = as_cifar(real, tmp_path / "digits", "resnet8", data="digits")
    edit(digits / "data.json", fingerprint="digits")
    broken = tmp_path / "plain20" / "seed0" / "eval" / "step-00064000-test"
    broken.mkdir(parents=True)
    (broken / "answers.npz").write_bytes(b"PK")
    unfinished = as_cifar(real, tmp_path / "unfinished", "resnet110")
    (unfinished / "RESULT.json").unlink()

    rows = comparisons(report(tmp_path).groups)

    assert len(rows) == 3
    refused = [row for row in rows if row["refused"]]
    assert len(refused) == 2 and all("of other data" in row["words"][0] for row in refused)
    (row,) = [row for row in rows if not row["refused"]]
    assert "is better than A (plain20) by 0.56 ±" in row["words"][0]
    assert any("answers.npz is damaged" in warning for warning in row["warnings"])
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert comparisons(report(copied(real, tmp_path / "one")).groups) == []


@pytest.mark.parametrize(
    ("paths", "said"),
    (
        ([], "there is nothing to compare"),
        (["nowhere"], "no run at nowhere: there is no such directory"),
        (["empty", "file"], "no run at file: it is a file"),
        (["a"], "nothing to be compared with"),
    ),
)
def test_what_is_nothing_to_compare_is_told(
    paths: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    evaluation(tmp_path / "a", marks(90, 100))

    with pytest.raises(UsageError) as refused:
        compare(*paths)
    assert said in str(refused.value)


def test_the_command_that_makes_an_evaluation_anew_has_what_it_was_made_with(
    real: Path, tmp_path: Path
) -> None:
    run = as_cifar(real, tmp_path / "run", "resnet20")
    edit(run / "RESULT.json", weights="averaged weights")
    facts = {"checkpoint": "run/checkpoints/x y", "keeps": False}
    own = evaluation(run / "eval" / "own", marks(90, 100), weights="averaged weights", **facts)
    photos = evaluation(run / "eval" / "photos", marks(90, 100), fingerprint="p", data="photos", **facts)
    alone = evaluation(tmp_path / "net-eval", marks(91, 100), keeps=False)
    also = evaluation(tmp_path / "also", marks(91, 100), keeps=False, fingerprint="p", split="all")
    edit(photos / "scores.json", split="all")

    assert compare(own, alone).to_json()["comparisons"][0]["commands"] == [
        f"resnetlab eval 'run/checkpoints/x y' --split test -o {own}",
        f"resnetlab eval net.onnx --data cifar10 --split test -o {alone}",
    ]
    assert compare(photos, also).to_json()["comparisons"][0]["commands"][0] == (
        f"resnetlab eval 'run/checkpoints/x y' --data photos --weights plain --split all -o {photos}"
    )


def test_no_list_of_images_without_answers(real: Path, tmp_path: Path) -> None:
    two_studies(real, tmp_path)

    with pytest.raises(UsageError, match="the answers of no two networks are there") as refused:
        compare(tmp_path).to_csv(tmp_path / "x.csv")
    assert f"resnetlab eval {tmp_path}/plain20/seed0" in refused.value.hint


def test_every_line_fits_eighty_columns(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for network, base in (("plain20", 900), ("resnet20", 940)):
        for seed in (0, 1, 2):
            right = marks(base + seed, 1000, seed=seed + base)
            run_with_answers(real, tmp_path / f"{network}-{seed}", network, right, seed=seed)
    monkeypatch.chdir(tmp_path)

    assert max(map(len, str(compare(".")).splitlines())) <= 80
