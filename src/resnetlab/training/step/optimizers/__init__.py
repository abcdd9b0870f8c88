"""The update rules: each file adds those that are in it to recipe.optimizers."""
