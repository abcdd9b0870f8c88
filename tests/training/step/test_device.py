"""The process-wide switches of a run."""

import pytest
import torch

from resnetlab.training.step.device import keep_freed_memory


def test_memory_that_a_step_frees_is_there_for_the_next_without_page_faults() -> None:
    resource = pytest.importorskip("resource", reason="page faults are counted by Unix only")
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt to be asked")
    size = 4 * 2**20  # 16 MiB, 4,096 pages

    def faults(times: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(times):
            torch.ones(size)
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

    faults(8)  # aligned memory may take a place or two before it finds one that fits again

    assert faults(20) < 4096  # not 20 times as many
