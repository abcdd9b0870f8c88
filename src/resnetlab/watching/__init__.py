"""Who watches a run or a study while it is made, on a terminal and in plain lines.

For whoever shows a run elsewhere, `columns` has the table of epochs as plain data, `pace` how fast a run is,
and `reporting.text_chart` its curve as text. `one_run.watching` and `a_study.watching_study` choose what a
stream can show.
"""
