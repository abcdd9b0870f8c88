"""How a network is drawn: scenes, colours, words, files. No torch."""
