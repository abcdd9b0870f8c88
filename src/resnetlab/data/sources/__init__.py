"""What a source of labelled images is, in memory or in files, and how it is split."""
