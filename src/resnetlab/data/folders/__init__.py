"""Sources of image files in folders, in a .zip of folders and in tables; what folders and lists say."""
