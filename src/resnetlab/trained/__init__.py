"""A trained network in use: evaluated, predicting, exported, trained on."""
