"""Published tables and figures made here: what they consist of, their runs, records of these, the result."""
