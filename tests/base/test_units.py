"""Words for counts, lengths and lists."""

import pytest

from resnetlab.base.units import first_of


@pytest.mark.parametrize(
    ("items", "most", "between", "expected"),
    [
        ([], 5, ", ", ""),
        (["a"], 5, ", ", "a"),
        (["a", "b"], 2, ", ", "a, b"),
        ([1, 2, 3], 2, ", ", "1, 2 and 1 more"),
        (["a is 1", "b is 2", "c is 3"], 2, "; ", "a is 1; b is 2; and 1 more"),
        (range(2_000), 1, ", ", "0 and 1,999 more"),
    ],
)
def test_the_first_of_a_list_are_told_and_how_many_more_there_are(
    items: list[object], most: int, between: str, expected: str
) -> None:
    assert first_of(items, most, between=between) == expected
