"""Plain data as text."""

from typing import Any

import numpy as np
import pytest

from resnetlab.base.plaindata import convert, csv_text
from resnetlab.errors import UsageError


def test_a_row_is_a_line_of_csv_and_only_what_must_be_is_quoted() -> None:
    rows = [["class", "count"], ["cat, black", 3], ['a "b"', None], ["n\udce9", 0.1]]

    assert csv_text(rows) == 'class,count\n"cat, black",3\n"a ""b""",\nn\udce9,0.1\n'


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [(int, np.int64(3), 3), (int, np.uint8(3), 3), (float, np.float64(0.5), 0.5),
     (float, np.float32(0.5), 0.5), (float, np.int32(2), 2.0), (int | None, np.int64(3), 3)],
)  # fmt: skip
def test_the_numbers_of_numpy_are_numbers(kind: Any, value: object, found: float) -> None:
    taken = convert(kind, value, "x")

    assert taken == found
    assert type(taken) is type(found)


@pytest.mark.parametrize(("kind", "value"), [(int, np.float64(3)), (int, True), (float, True), (int, "3")])
def test_what_is_no_number_of_the_kind_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(UsageError, match="x="):
        convert(kind, value, "x")
