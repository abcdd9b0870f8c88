"""Files within files, read where they lie: tars, gzip, pickles, arrays."""
