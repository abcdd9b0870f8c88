"""How a batch is cut into shards, and which of them one process makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The shards of every batch that one process makes: `count` of them from `first` on, of `of` in all.

    Shard s of S takes the positions [n * s // S, n * (s + 1) // S) of a batch of n samples.
    """

    first: int
    count: int
    of: int

    def __post_init__(self) -> None:
        is_share = 0 <= self.first < self.first + self.count <= self.of
        assert is_share, f"{self.count} shards from {self.first} on are none of {self.of}"

    @staticmethod
    def whole(shards: int) -> "Share":
        """Return the share of a process that makes all of so many shards."""
        return Share(0, shards, shards)

    def cut(self, num_samples: int) -> slice:
        """Return the positions of this share in a batch of so many samples."""
        return slice(num_samples * self.first // self.of, num_samples * (self.first + self.count) // self.of)

    def cuts(self, num_samples: int) -> list[slice]:
        """Return the positions of each shard among those of this share."""
        start = self.cut(num_samples).start
        shards = (Share(self.first + number, 1, self.of).cut(num_samples) for number in range(self.count))
        return [slice(shard.start - start, shard.stop - start) for shard in shards]

    def smallest(self, num_samples: int) -> int:
        """Return the samples of the smallest shard of such a batch, whichever process makes it."""
        return num_samples // self.of


UNDIVIDED = Share.whole(1)
"""Of batches that are not cut."""
