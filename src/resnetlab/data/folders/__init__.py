"""Sources of image files in folders, in archives of folders and in tables."""
