"""What lies in one file, read in place and never run: members of tars, gzip, pickled and plain arrays."""
