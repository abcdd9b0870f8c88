"""How long tests are that draw at random: `make faults ROUNDS=N`, and the seeds of what failed."""

import os
import random

ROUNDS = int(os.environ.get("ROUNDS", "1"))
"""How many times as long as usual."""


def drawn() -> random.Random:
    """Return random numbers of a seed that is printed, and that SEED=... gives again."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"again with SEED={seed}")
    return random.Random(seed)
