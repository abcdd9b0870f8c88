"""How long it takes to add the gradients of all processes, by bandwidths and latencies. No torch."""

import math
from dataclasses import dataclass

from resnetlab.network.layers import Norm
from resnetlab.network.spec import ModelSpec

SMALL_BYTES = 2**23
"""Up to this size the tree exchanges whole tensors: `parallel.tree.SMALL_BYTES`, which needs torch."""

_SUMS = 4
"""Numbers beside gradients and statistics: loss, right answers, samples, whether all is finite."""


def reduced_bytes(spec: ModelSpec) -> int:
    """Return the bytes that a step adds up over its shards: gradients, BN's running statistics, in fp32."""
    plan = spec.plan()
    statistics = sum(
        2 * count * layer.channels for count, _, layer in plan.counted() if isinstance(layer, Norm)
    )
    return 4 * (plan.num_parameters + statistics + _SUMS)


def norm_reductions(spec: ModelSpec, shards: int) -> dict[int, int]:
    """Return what shard_bn=sync adds up beside the gradients: how many times how many bytes.

    Each BN does so in the forward pass and in the backward pass, with two numbers a channel of each shard.
    """
    found: dict[int, int] = {}
    for count, _, layer in spec.plan().counted():
        if isinstance(layer, Norm):
            num_bytes = 4 * 2 * layer.channels * shards
            found[num_bytes] = found.get(num_bytes, 0) + 2 * count
    return found


@dataclass(frozen=True)
class Fabric:
    """What connects the devices; rates in bytes a second, in one direction, times in seconds."""

    devices_per_host: int
    link: float
    """Of one device to the others of its host."""
    network: float
    """Of one host to the others."""
    begin: float
    """Until any reduction begins."""
    near: float
    """Latency of a round within a host."""
    far: float
    """Latency of a round over the network."""
    filling: float = 0.0
    """What is lost over the network, for each doubling of the hosts; no more than it takes to move all."""

    def hosts(self, devices: int) -> int:
        """Return the hosts that so many devices take."""
        return -(-devices // self.devices_per_host)

    def ring_seconds(self, num_bytes: float, devices: int) -> float:
        """Return the time of a plain all-reduce: each byte passes every device twice, but for its own share.

        One ring runs through all devices; over several hosts it is as fast as the slower of link and network.
        """
        if devices == 1:
            return 0.0
        moved = 2 * (devices - 1) / devices * num_bytes
        moving = moved / self._ring_rate(devices)
        return moving + self._filling(moving, devices) + self._latency(devices)

    def tree_seconds(self, num_bytes: float, devices: int) -> float:
        """Return the time of the fixed tree, as `parallel.tree` adds: a small tensor whole, others in halves.

        Over the network the devices of a host share what it has. Those beyond the largest power of two are
        added to others first, and get the sum last.
        """
        if devices == 1:
            return 0.0
        paired = 1 << devices.bit_length() - 1
        near, far = self._rounds(paired)
        share = self.network / min(paired, self.devices_per_host)
        latency = near * self.near + far * self.far
        if num_bytes <= SMALL_BYTES:
            moving = num_bytes * (near / self.link + far / share)
        else:
            inside, outside = 1 - 2.0**-near, 2.0**-near * (1 - 2.0**-far)
            moving, latency = 2 * num_bytes * (inside / self.link + outside / share), 2 * latency
        seconds = moving + self._filling(moving, paired) + latency
        if paired < devices:
            is_far = self.hosts(devices) > 1
            seconds += 2 * (
                num_bytes / (share if is_far else self.link) + (self.far if is_far else self.near)
            )
        return self.begin + seconds

    def _filling(self, moving: float, devices: int) -> float:
        return min(self.filling, moving) * math.log2(self.hosts(devices))

    def _ring_rate(self, devices: int) -> float:
        return self.link if self.hosts(devices) == 1 else min(self.link, self.network)

    def _rounds(self, devices: int) -> tuple[int, int]:
        """Return the rounds of doubling within a host, and over the network."""
        inside = min(devices, self.devices_per_host)
        return (inside - 1).bit_length(), (self.hosts(devices) - 1).bit_length()

    def _latency(self, devices: int) -> float:
        near, far = self._rounds(devices)
        return self.begin + 2 * (near * self.near + far * self.far)


def measured_fabric(num_bytes: float, seconds: float, small_seconds: float, devices: int) -> Fabric:
    """Return what connects devices of one host, whose sums of so many bytes, and of a few, were timed.

    Args:
        num_bytes: Of the large one.
        seconds: Of the large one, in the fixed tree.
        small_seconds: Of the small one.
        devices: That took part, at least 2.
    """
    rounds = (devices - 1).bit_length()
    near = small_seconds / rounds
    unit = Fabric(devices_per_host=2**20, link=1.0, network=1.0, begin=0.0, near=0.0, far=0.0)
    moved = unit.tree_seconds(num_bytes, devices)  # bytes, at one a second
    latency = small_seconds * (1 if num_bytes <= SMALL_BYTES else 2)
    link = moved / max(seconds - latency, seconds / 10)  # noise may make the small one the slower
    return Fabric(devices_per_host=2**20, link=link, network=link, begin=0.0, near=near, far=near)
