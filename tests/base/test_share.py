import pytest

from resnetlab.base.share import Share


@pytest.mark.parametrize(
    ("num_samples", "shards", "processes"), [(16, 8, 4), (13, 4, 2), (7, 6, 3), (3, 4, 2), (5, 1, 1)]
)
def test_the_shares_of_all_processes_are_the_batch_in_order_and_their_shards_are_as_equal_as_can_be(
    num_samples: int, shards: int, processes: int
) -> None:
    count = shards // processes
    shares = [Share(rank * count, count, shards) for rank in range(processes)]
    batch = list(range(num_samples))

    of_shards = [batch[share.cut(num_samples)][cut] for share in shares for cut in share.cuts(num_samples)]

    assert [position for share in shares for position in batch[share.cut(num_samples)]] == batch
    assert [position for shard in of_shards for position in shard] == batch
    sizes = [len(shard) for shard in of_shards]
    assert len(sizes) == shards
    assert max(sizes) - min(sizes) <= 1
    assert {min(sizes)} == {share.smallest(num_samples) for share in shares}
    whole = Share.whole(shards)
    assert [batch[whole.cut(num_samples)][cut] for cut in whole.cuts(num_samples)] == of_shards


@pytest.mark.parametrize("share", [(0, 0, 4), (3, 2, 4), (-1, 1, 4)])
def test_a_share_of_shards_that_there_are_not_is_our_own_mistake(share: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError, match="are none of 4"):
        Share(*share)
