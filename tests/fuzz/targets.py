"""Every parser of bytes from outside, by name."""

from collections.abc import Mapping

from tests.fuzz import data_targets, network_targets, run_targets, user_targets
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    **data_targets.TARGETS,
    **network_targets.TARGETS,
    **run_targets.TARGETS,
    **user_targets.TARGETS,
}
