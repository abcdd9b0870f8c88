"""One image: what kind of file it is, its pixels, and their way to a training or an evaluation image."""
