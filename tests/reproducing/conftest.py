"""A table of two small networks on the digits, made once: its rows, its folder, its records."""

from pathlib import Path

import pytest

from resnetlab.base.units import Duration
from resnetlab.reporting.groups import Published
from resnetlab.reproducing.budgets import budget_of
from resnetlab.reproducing.making import Prepared, make, prepare
from resnetlab.reproducing.planning import Request
from resnetlab.reproducing.reproduction import Reproduction, Row


def row(network: str, **more: object) -> Row:
    """A row that takes a fraction of a second: 11 steps are an epoch of the digits."""
    values = {
        "length": Duration(44, "st"),
        "milestones": (Duration(22, "st"), Duration(33, "st")),
        "report": False,
        "log_every": 5,
    }
    given = {"name": network, "network": network, "data": "digits", "recipe": "he2015", "values": values}
    return Row(**{**given, "knobs": {"width": 0.25, "stem_stride": 2}, **more})  # type: ignore[arg-type]


TOY = Reproduction(
    name="toy",
    title="Two small networks",
    source="nobody, Table 1",
    rows=(row("plain8"), row("resnet8", published=Published(error=20.0, source="nobody, Table 1"))),
    deviations=("Nobody made this before.",),
)


def asked(budget: str = "full", **more: object) -> Request:
    """What is asked for of it."""
    given = {"reproduction": TOY, "budget": budget_of(budget), "seeds": 2, "device": "cpu"}
    return Request(**{**given, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The table, all of its runs made with two seeds each; nothing may be changed in its folder."""
    prepared = prepare(asked(), tmp_path_factory.mktemp("made") / "toy-full")
    make(prepared)
    return prepared


@pytest.fixture
def records(made: Prepared) -> Path:
    """The folder of its records."""
    return made.out / "records"
