"""Layer responses: of the runs' own weights, measured once, and drawn and told beside what the paper says."""

import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resnetlab.data.sources.source import Split
from resnetlab.reporting.records.collecting import read_records_at
from resnetlab.reproducing.making import Prepared, make, prepare
from resnetlab.reproducing.results.effects import effects_on_responses
from resnetlab.reproducing.results.figure import profiles_of
from resnetlab.reproducing.results.outcomes import Outcome
from resnetlab.reproducing.results.responses import LayerResponses, profile_of, read_responses
from resnetlab.reproducing.results.tables import ResultTable
from resnetlab.trained.artefact.loading import load_artefact
from tests.reproducing.conftest import TOY, asked

FIGURE = replace(TOY, name="figure", figure="responses", siblings=("toy",), claims=("nobody says anything",))
RUNS = ["plain8-seed0", "resnet8-seed0", "plain8-seed1", "resnet8-seed1"]


@pytest.fixture(scope="module")
def measured(made: Prepared) -> tuple[Prepared, ResultTable]:
    """The figure of the table's runs, which lie in the folder beside."""
    prepared = prepare(asked(reproduction=FIGURE), made.out.parent / "figure-full")
    return prepared, make(prepared)[0]


@torch.no_grad()
def _by_hand(made: Prepared, name: str) -> dict[str, float]:
    """The deviation of what each BN of a run's network gives, on all test images at once."""
    trained = load_artefact(made.out / name)
    model, found = trained.model().eval(), dict[str, float]()
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _, __, output, path=path: found.update({path: float(output.std(correction=0))})
            )
    test = made.runs[name].plan.source.test
    assert isinstance(test, Split)
    images = torch.from_numpy(test.images)
    model(trained.preprocessing.normaliser(images).permute(0, 3, 1, 2))
    return found


def test_the_runs_of_a_sibling_are_measured_and_none_is_made(
    made: Prepared, measured: tuple[Prepared, ResultTable]
) -> None:
    prepared, table = measured
    assert prepared.costs == {} and [*prepared.taken] == RUNS
    assert not [*prepared.out.glob("*-seed*")]
    (record,) = read_records_at([made.out / "records" / "resnet8-seed1.json"])
    found = read_responses(prepared.out / "responses" / "resnet8-seed1.json", record.record)
    assert found is not None and found.images == 359
    by_hand = _by_hand(made, "resnet8-seed1")
    assert {layer.replace("conv", "bn") for layer in found.layers} == by_hand.keys()
    assert found.deviations == pytest.approx([*by_hand.values()], rel=1e-3)

    header, rows = table.cells()
    cells = dict(zip(header, rows[1], strict=True))
    means = [statistics.fmean(_by_hand(made, f"resnet8-seed{seed}").values()) for seed in (0, 1)]
    assert cells["3x3 layers"] == "7" and cells["n"] == "2"
    mean, spread = map(float, cells["std of responses: mean"].split(" ± "))
    assert (mean, spread) == pytest.approx((statistics.fmean(means), statistics.stdev(means)), abs=0.002)


def test_the_figure_has_two_panels_of_all_rows_and_the_claim_stands_beside(
    measured: tuple[Prepared, ResultTable],
) -> None:
    prepared, table = measured
    folder = prepared.out / "result"
    assert {path.name for path in folder.iterdir()} == {
        f"figure-full.{kind}" for kind in ("svg", "md", "html")
    }
    svg = (folder / "figure-full.svg").read_text()
    assert svg.count("stroke-dasharray") == 3  # plain8 in both panels and in the legend
    text = (folder / "figure-full.md").read_text()
    assert text.startswith("## figure, budget full: the published length")
    assert "in words: nobody says anything" in text and "seen: resnet8 has" in text
    plain, residual = profiles_of(table)
    assert plain.is_plain and not residual.is_plain and plain.color == residual.color
    for curve in (plain, residual):
        assert [*curve.ranked.mean] == sorted(curve.ranked.mean, reverse=True)
        assert sum(curve.ranked.mean) == pytest.approx(sum(curve.layers.mean))


def test_a_record_without_its_run_is_taken_only_with_its_responses(
    made: Prepared, measured: tuple[Prepared, ResultTable], tmp_path: Path
) -> None:
    shutil.copytree(made.out / "records", tmp_path / "alone" / "records")
    request = asked(reproduction=FIGURE)
    prepared = prepare(request, tmp_path / "new", records=[tmp_path / "alone" / "records"])
    assert not prepared.taken and len(prepared.costs) == 4
    assert "its responses were not measured" in str([*prepared.refused.values()])

    shutil.copytree(measured[0].out / "responses", tmp_path / "alone" / "responses")
    prepared = prepare(request, tmp_path / "new", records=[tmp_path / "alone" / "records"])
    assert [*prepared.taken] == RUNS
    assert make(prepared)[0].cells() == measured[1].cells()


def test_what_is_damaged_or_of_another_run_is_measured_anew(
    measured: tuple[Prepared, ResultTable],
) -> None:
    prepared, table = measured
    place = prepared.out / "responses"
    before = {name: (place / f"{name}.json").read_bytes() for name in RUNS}
    (place / f"{RUNS[0]}.json").write_bytes(before[RUNS[0]][:40])
    (place / f"{RUNS[1]}.json").write_bytes(before[RUNS[3]])
    (place / f"{RUNS[2]}.json").write_bytes(before[RUNS[2]].replace(b'"images": 359', b'"images": 358'))

    assert make(prepared)[0].cells() == table.cells()

    assert {name: (place / f"{name}.json").read_bytes() for name in RUNS} == before


def _row(record_of: Outcome, network: str, *deviations: float) -> tuple[Outcome, object]:
    row = replace(record_of.row, name=network, network=network)
    record = replace(record_of.records[0], row=network, network=row.spec().to_json())
    responses = LayerResponses(
        run=record.key, images=1, layers=tuple(map(str, range(len(deviations)))), deviations=deviations
    )
    return replace(record_of, row=row, records=(record,)), profile_of([responses])


def test_what_shortcuts_and_depth_do_is_told_whichever_way_they_point(
    measured: tuple[Prepared, ResultTable],
) -> None:
    _, table = measured
    like = table.outcomes[1]
    plain = _row(like, "plain20", 1.0, 2.0, 3.0)
    shallow, deep = _row(like, "resnet20", 0.5, 1.0, 4.0), _row(like, "resnet32", 0.5, 0.25)
    told = [*effects_on_responses([plain, deep, shallow])]  # type: ignore[list-item]
    assert told == [
        "resnet20 has smaller responses than plain20 at 2 of 3 layers; their means are 1.833 and 2.000"
        " (n = 1 and 1).",
        "With shortcuts more layers have responses that are smaller, in their means over layers: resnet20"
        " 1.833, resnet32 0.375.",
    ]
    greater = _row(like, "resnet32", 5.0)
    (last,) = effects_on_responses([shallow, greater])  # type: ignore[list-item]
    assert "responses that are greater" in last
    mixed = [shallow, greater, _row(like, "resnet44", 2.0)]
    (last,) = effects_on_responses(mixed)  # type: ignore[arg-type]
    assert "neither smaller nor greater throughout" in last
