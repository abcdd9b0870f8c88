"""`resnetlab.lr_find`: the same as the command, with the rate for what comes next."""

from pathlib import Path

import pytest

import resnetlab
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec

SMALL = model_spec("resnet8").with_(width=0.5, stem_stride=2)


def test_what_it_finds_is_what_train_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = resnetlab.lr_find(
        SMALL, data="digits", batch=16, compile="off", low=1e-3, high=3.0, points=40, steps=30, seed=3
    )

    assert found.lr == found.suggested and found.lr is not None
    assert found.rates[0] == pytest.approx(1e-3) and len(found.rates) == len(found.losses)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"points": 40.5}, "points is a whole number, got 40.5"),
        ({"rise": "cubic"}, "rise is one of exponential, linear, got 'cubic'"),
        ({"low": 2.0, "high": 1.0}, "rise from 2 to 1"),
        ({"low": "fast"}, "low is a number, got 'fast'"),
        ({"observer": print}, "is no Observer"),
        ({"nonsense": 1}, "no setting is called 'nonsense'"),
    ],
)
def test_what_it_cannot_take_is_refused(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        resnetlab.lr_find(SMALL, data="digits", **arguments)  # type: ignore[arg-type]
