"""What runs show as pictures, by matplotlib's objects: curves of error, confusion matrices."""
