"""Means, spreads and differences of a table, computed another way; what may not be compared is not."""

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.reporting.groups import Published
from resnetlab.reporting.records.collecting import Found, read_records_at
from resnetlab.reporting.records.record import Before, Best, Record, Scores
from resnetlab.reproducing.budgets import Budget, budget_of
from resnetlab.reproducing.reproduction import Reproduction, Row
from resnetlab.reproducing.results.effects import effects
from resnetlab.reproducing.results.outcomes import Outcome, outcomes_of
from resnetlab.reproducing.results.tables import ResultTable
from tests.reproducing.conftest import TOY


@pytest.fixture
def record(records: Path) -> Record:
    (found,) = read_records_at([records / "resnet8-seed0.json"])
    return found.record


def found_outcomes(
    reproduction: Reproduction, budget: Budget, records: list[Record], folder: str = "records"
) -> list[Outcome]:
    """Return the rows of records that lie in a folder."""
    found = [Found(record=each, path=Path(folder) / f"{each.name}.json") for each in records]
    return outcomes_of(reproduction, budget, found)


def outcome(record: Record, wrongs: list[int], row: Row, budget: str = "full") -> Outcome:
    """Return a row of which these many of 1,000 test images were wrong, one seed after another."""
    those = tuple(
        replace(
            record,
            seed=seed,
            budget=budget,
            test=Scores(wrong=wrong, seen=1_000, loss=1.0),
            best_test=Best(error=wrong / 10 - 1, step=1),
        )
        for seed, wrong in enumerate(wrongs)
    )
    return Outcome(row=row, budget=budget, records=those)


def test_the_difference_to_a_single_published_run_counts_its_spread_as_ours(record: Record) -> None:
    found = outcome(record, [200, 210, 190, 220], TOY.rows[1])
    errors = [20.0, 21.0, 19.0, 22.0]
    assert found.difference == pytest.approx(0.5)
    spread = statistics.stdev(errors) * (1 / 4 + 1) ** 0.5
    assert found.standard_errors == pytest.approx(0.5 / spread)


def test_a_published_mean_brings_its_own_spread(record: Record) -> None:
    published = Published(error=18.0, source="x", what="best", runs=4, mean=19.0, std=0.5)
    found = outcome(record, [200, 210], replace(TOY.rows[1], published=published))
    assert found.difference == pytest.approx(20.5 - 19.0)
    assert found.standard_errors == pytest.approx(1.5 / (0.5 / 2 + 0.25 / 4) ** 0.5)


def test_a_median_of_several_runs_without_their_spread_gives_no_standard_errors(record: Record) -> None:
    published = Published(error=18.0, source="x", what="median", runs=5)
    assert published.text == "18.00 (median of 5)"
    found = outcome(record, [200, 210], replace(TOY.rows[1], published=published))
    assert found.difference == pytest.approx(2.5) and found.is_full and found.standard_errors is None


def test_from_an_error_of_several_views_nothing_is_subtracted(record: Record) -> None:
    found = outcome(record, [200, 210], replace(TOY.rows[1], views="10crop"))
    assert found.published is not None
    assert found.difference is None and found.standard_errors is None


def test_one_run_and_a_shorter_one_have_no_standard_errors(record: Record) -> None:
    assert outcome(record, [200], TOY.rows[1]).standard_errors is None
    short = outcome(record, [200, 210], TOY.rows[1], "tenth")
    assert short.standard_errors is None and short.difference is not None and not short.is_full


def test_other_data_stands_beside_nothing_published(record: Record) -> None:
    found = outcome(record, [200, 210], replace(TOY.rows[1], data="cifar10"))
    assert found.published is None and found.difference is None and not found.is_full


def test_by_the_sources_rule_the_best_evaluation_counts(record: Record) -> None:
    found = outcome(record, [200, 210], replace(TOY.rows[1], rule="best", band=(19.0, 19.6)))
    assert found.errors == (20.0, 21.0) and found.by_rule == (19.0, 20.0)
    assert found.difference == pytest.approx(-0.5) and found.is_in_band


def test_runs_made_in_different_ways_are_different_rows_and_a_seed_counts_once(record: Record) -> None:
    other = replace(
        record, recipe=record.recipe | {"execution": record.recipe["execution"] | {"precision": "bf16"}}
    )
    found = found_outcomes(TOY, budget_of("full"), [record, record, replace(other, seed=1)])
    assert [(each.row.name, each.n, each.deviations) for each in found] == [
        ("plain8", 0, ()),
        ("resnet8", 1, ()),
        ("resnet8", 1, ("precision=bf16 (fp32)",)),
    ]


def test_what_a_reader_made_is_a_row_of_its_own(record: Record) -> None:
    ours, theirs = replace(record, seed=0), replace(record, seed=1)
    found = [Found(record=ours, path=Path("a.json")), Found(record=theirs, path=Path("readers/ada/b.json"))]
    outcomes = outcomes_of(TOY, budget_of("full"), found)
    assert [(each.name, each.n) for each in outcomes[1:]] == [("resnet8", 1), ("resnet8, by reader ada", 1)]
    table = ResultTable(reproduction=TOY, budget=budget_of("full"), outcomes=outcomes)
    assert "resnet8, by reader ada" in table.text()


def test_a_shorter_table_says_so_before_all_else_in_each_of_its_forms(record: Record) -> None:
    budget = budget_of("tenth")
    found = found_outcomes(TOY, budget, [replace(record, budget="tenth")])
    table = ResultTable(reproduction=TOY, budget=budget, outcomes=found)
    header, rows = table.cells()
    assert header[0] == "budget" and {row[0] for row in rows} == {"tenth"}
    for text in (table.text(), table.markdown()):
        first, *_, last = text.partition("\n")
        assert "budget tenth: a tenth of the published length" in first
        assert "no row of this table stands for them" in last.replace("\n", " ").replace("        ", "")
    assert "tenth" in str(table.to_json()["budget"])


def _set(record: Record, part: str, **values: object) -> Record:
    return replace(record, recipe=record.recipe | {part: record.recipe[part] | values})


def test_what_a_run_began_with_is_told_and_it_is_no_full_row(record: Record) -> None:
    tuned = replace(record, first_weights="ab" * 32)
    further = replace(record, continued=(Before(step=9, length="2ep"),))
    (_, *found) = found_outcomes(TOY, budget_of("full"), [record, tuned, further])
    told = [(), ("weights=abababababab (the seed's)",), ("continued=2ep (none)",)]
    assert [each.deviations for each in found] == told
    assert [each.is_full for each in found] == [True, False, False]


def test_what_is_set_otherwise_is_no_full_row_but_for_the_number_format(record: Record) -> None:
    published = replace(TOY.rows[1], band=(0.0, 100.0))
    for part, name, value, is_full in (("run", "batch", 32, False), ("execution", "precision", "bf16", True)):
        those = [replace(_set(record, part, **{name: value}), seed=seed) for seed in (0, 1)]
        those[1] = replace(those[1], test=Scores(wrong=11, seen=359, loss=1.0))
        toy = replace(TOY, rows=(published,))
        (found,) = found_outcomes(toy, budget_of("full"), those)
        assert found.deviations[0].startswith(f"{name}={value} (")
        assert found.is_full == is_full and found.difference is not None
        assert (found.standard_errors is not None) == (found.is_in_band is not None) == is_full


def test_a_shorter_run_is_in_no_band(record: Record) -> None:
    row = replace(TOY.rows[1], band=(0.0, 100.0))
    assert outcome(record, [200], row).is_in_band is True
    assert outcome(record, [200], row, "tenth").is_in_band is None


def test_published_data_in_a_folder_of_any_name_is_the_rows(record: Record) -> None:
    copy = replace(record, data=replace(record.data, name="my-copy"))
    (_, found) = found_outcomes(TOY, budget_of("full"), [copy])
    assert found.is_of_its_data and found.deviations == ()

    other = replace(copy, data=replace(copy.data, content="0" * 64))
    (_, found) = found_outcomes(TOY, budget_of("full"), [other])
    assert found.deviations == ("data=my-copy (digits)",) and found.published is None


def test_where_numbers_of_images_are_all_that_is_known_they_decide_and_the_table_says_so(
    record: Record,
) -> None:
    toy = replace(TOY, rows=(replace(TOY.rows[1], data="cifar100"),))
    data = replace(record.data, name="c100", content="", train=50_000, test=10_000, classes=100)
    found = found_outcomes(toy, budget_of("full"), [replace(record, data=data)])
    assert found[0].is_of_its_data
    assert not found_outcomes(toy, budget_of("full"), [replace(record, data=replace(data, train=9))])[
        0
    ].is_of_its_data
    table = ResultTable(reproduction=toy, budget=budget_of("full"), outcomes=found)
    note = ("data: ", "cifar100 was checked by its numbers of images and classes alone")
    assert note in [*table.notes()]
    assert note[0] not in dict(ResultTable(reproduction=TOY, budget=budget_of("full"), outcomes=[]).notes())


def test_more_layers_are_said_to_do_what_each_run_says(record: Record) -> None:
    def of(network: str, *errors: float) -> Outcome:
        found = _of_depth(record, network, 0.0)
        runs = (replace(found.records[0], seed=seed, train_error=error) for seed, error in enumerate(errors))
        return replace(found, records=tuple(runs))

    shallow = of("resnet8", 5.0, 5.2)
    (told,) = effects([shallow, of("resnet14", 9.0, 9.0), of("resnet20", 5.1, 5.9)])
    assert told.startswith(
        "With shortcuts these runs do not tell the training errors of resnet8 and resnet20"
    )
    assert "resnet14 9.000 %" in told
    (told,) = effects([shallow, of("resnet20", 4.9, 4.8)])
    assert told.startswith("With shortcuts resnet20 has a lower training error than resnet8: resnet8 5.100 %")


def test_training_errors_of_unlike_numbers_of_steps_have_no_mean_and_it_is_said_of_how_many_they_are(
    record: Record,
) -> None:
    def note(*runs: Record) -> tuple[Outcome, str]:
        found = found_outcomes(TOY, budget_of("full"), [*runs])
        table = ResultTable(reproduction=TOY, budget=budget_of("full"), outcomes=found)
        return found[1], next(text for _, text in table.notes() if "Training error" in text)

    last, before = record.test_curve.step[-1], record.test_curve.step[-2]
    old, other = replace(record, train_steps=None, seed=1), replace(record, train_steps=7, seed=2)
    found, text = note(replace(record, train_steps=round(last - before)), old)
    assert len(found.train_errors) == 2 and f"of the last {last - before:g} steps;" in text
    found, text = note(old, other)
    assert found.train_errors == () and found.n == 2
    assert f"of the last 7 steps (resnet8); {last - before:g} steps (resnet8);" in text


def _of_depth(record: Record, network: str, train_error: float, **more: object) -> Outcome:
    row = replace(TOY.rows[1], name=network, network=network, **more)  # type: ignore[arg-type]
    made = replace(record, row=network, network=row.spec().to_json(), train_error=train_error)
    return Outcome(row=row, budget="full", records=(made,))


def test_what_more_layers_do_is_told_of_rows_that_differ_in_nothing_else(record: Record) -> None:
    shallow, deep = _of_depth(record, "resnet8", 5.0), _of_depth(record, "resnet20", 7.0)
    (told,) = effects([deep, shallow])
    assert told.startswith(
        "With shortcuts resnet20 has a higher training error than resnet8, in one run each: resnet8 5.000 %"
    )
    for other in (
        _of_depth(record, "resnet20", 7.0, data="cifar100"),
        _of_depth(record, "resnet20", 7.0, recipe="keras"),
        _of_depth(record, "resnet20", 7.0, knobs={"width": 0.5, "stem_stride": 2}),
        _of_depth(record, "preresnet20", 7.0),
        replace(deep, deviations=("batch=32 (128)",)),
    ):
        assert [*effects([shallow, other])] == []
    later = replace(deep, deviations=("length=6400st (64000st)", "warmup=40st (400st)"))
    assert len([*effects([replace(shallow, deviations=later.deviations[:1]), later])]) == 1
