"""One part of a network drawn large, each step in words: stem, unit, shortcut, head."""
