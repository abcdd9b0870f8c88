"""What a report shows, as plain data: report.json. `page` is one renderer of it. Imports no torch.

Version 1. All errors and shares of curves are in %, all else as the run's files have it; what is not there is
null or an empty list, and `missing` says by which command it comes. A reader passes over names that it does
not know; a change that such a reader would get wrong has another version.

    format, version, program      "resnetlab report", 1, "resnetlab 0.1.0"
    title
    runs[]        name, path, network, recipe, deviations, data, seed, state, progress, sentence, notes,
                  error, correct, seen, interval, split, published, seconds,
                  images_per_second, wait_share, started, seconds_left (of one that a board shows)
    groups[]      a row of the table over seeds, with all digits
    table         header, rows, notes: the same in words
    curves[]      one for each kind of data: data, watched, steps, planned, steps_per_epoch,
                  resumed, drops,
                  series[]: name, kind (test, val, train), of (error, loss, rate), color,
                  points [step, value], band [step, low, high], open (whether it goes on)
    comparisons[] each pair of groups: `reporting.comparing.comparisons`; not_compared says why there are none
    detail        of a lone run, else null: network, drawing (its specification), recipe, data, environment,
                  samples, usage, evaluation, insights, history, missing
"""

from resnetlab.reporting.contents.everything import FORMAT, VERSION, contents_of

__all__ = ["FORMAT", "VERSION", "contents_of"]
