"""One image: from a file's bytes to the pixels of a picture, and to a training image."""
