"""From minutes to a length: what a run's steps cost here, and how many of them the minutes allow."""
