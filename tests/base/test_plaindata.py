"""Plain data as text."""

from resnetlab.base.plaindata import csv_text


def test_a_row_is_a_line_of_csv_and_only_what_must_be_is_quoted() -> None:
    rows = [["class", "count"], ["cat, black", 3], ['a "b"', None], ["n\udce9", 0.1]]

    assert csv_text(rows) == 'class,count\n"cat, black",3\n"a ""b""",\nn\udce9,0.1\n'
