"""Results: a record of each run, and table, figure and page made of records alone. Imports no torch."""
