"""A network in training as maps, the ways in which they are read, and what makes one of the others.

Convolutions and sums write maps; BN and ReLU write none: they are part of how a map is read (a `View`).
"""

from dataclasses import dataclass, field

from resnetlab.network import layers
from resnetlab.network.plan import Plan


class Unsuitable(Exception):
    """Why a network is none for this."""


@dataclass(eq=False)
class Map:
    """(N, height, width, channels) in memory."""

    height: int
    width: int
    channels: int
    maker: "Convolution | Sum | Widening | None" = None


@dataclass(frozen=True)
class View:
    """A map as it is read: normalised by the BN of that name, then activated; a slope of 1 does nothing."""

    map: Map
    norm: str = ""
    slope: float = 1.0


@dataclass(eq=False)
class Convolution:
    """out = weights * x + bias, to which a view may be added."""

    name: str
    layer: layers.Conv
    x: View
    out: Map
    pad_low: int
    addend: View | None = None


@dataclass(eq=False)
class Sum:
    """out = a + b, activated."""

    a: View
    b: View
    out: Map
    slope: float = 1.0


@dataclass(eq=False)
class Widening:
    """out = every stride-th pixel of x, or the means of so many, zero channels before and after.

    Attributes:
        window: Whose means they are, in pixels.
        low: Pixels of padding above, and to the left.
        unit: The residual unit whose branch it is, multiplied with what stochastic depth drew for each image.
    """

    x: View
    out: Map
    stride: int
    before: int
    after: int
    window: int = 1
    low: tuple[int, int] = (0, 0)
    unit: int | None = None


@dataclass
class Graph:
    """What makes a network's last view, in order.

    Attributes:
        first: The image, or what the stem made of it where that pools.
        is_image: Whether it is the image, whose gradient nobody wants.
    """

    first: Map
    is_image: bool = True
    nodes: list[Convolution | Sum | Widening] = field(default_factory=list)
    norms: dict[str, layers.Norm] = field(default_factory=dict)
    last: View | None = None

    def views(self) -> list[View]:
        """Return all ways in which maps are read."""
        assert self.last is not None
        return list(dict.fromkeys([*(view for node in self.nodes for view in reads(node)), self.last]))


def reads(node: "Convolution | Sum | Widening") -> list[View]:
    """Return the views that a node reads."""
    if isinstance(node, Sum):
        return [node.a, node.b]
    return [node.x, node.addend] if isinstance(node, Convolution) and node.addend else [node.x]


def count_kinds(graph: Graph) -> int:
    """Return how many kinds of convolution are compiled for a graph."""
    return len(
        {
            (layer.in_channels, layer.out_channels, layer.kernel, layer.stride, each.x.map.height,
             each.x.map.width, each.pad_low, each.x.map is graph.first)
            for each in graph.nodes
            if isinstance(each, Convolution) and (layer := each.layer)
        }
    )  # fmt: skip


def graph_of(plan: Plan, height: int, width: int, *, keeps: bool = False) -> Graph:
    """Return a network's maps for images of this size; `keeps`: with stochastic depth.

    Raises:
        Unsuitable: If a layer is of another kind than these.
    """
    return _Drafting(plan, height, width, keeps).graph


class _Drafting:
    def __init__(self, plan: Plan, height: int, width: int, keeps: bool) -> None:
        shape: layers.Shape = (plan.in_channels, height, width)
        is_image = not any(isinstance(layer, layers.Pool) for layer in plan.stem)
        if not is_image:
            for layer in plan.stem:
                shape = layers.output_shape(layer, shape)
        self.graph = Graph(Map(*shape[1:], shape[0]), is_image)
        view = self._chain("", plan.stem if is_image else (), View(self.graph.first))
        for number, unit in enumerate(plan.units):
            preact = self._chain(unit.name, unit.before, view)
            total = self._chain(unit.name, unit.branch, preact)
            total = self._kept(number, total) if keeps else total
            after = unit.after
            if unit.shortcut is not None:
                source = preact if unit.shortcut_from == "preact" else view
                shortcut = self._shortcut(unit.name, unit.shortcut, source)
                slope = after[0].slope if after and isinstance(after[0], layers.Act) else 1.0
                total = self._sum(total, shortcut, slope)
                after = after[1:] if slope != 1 else after
            view = self._chain(unit.name, after, total)
        rest = [layer for layer in plan.tail if not isinstance(layer, layers.Pool | layers.Linear)]
        self.graph.last = self._chain("", tuple(rest), view)
        self._refuse_readers()

    def _refuse_readers(self) -> None:
        """Refuse maps that are read in more ways than their gradient is put together from."""
        views = self.graph.views()
        for of in {view.map: None for view in views}:
            norms = [view.norm for view in views if view.map is of and view.norm]
            if len(norms) > 1 or sum(view.map is of for view in views) > 2:
                raise Unsuitable(f"a map that is read in three ways, or by {' and '.join(norms)}")

    def _chain(self, unit: str, chain: tuple[layers.Layer, ...], view: View) -> View:
        for layer in chain:
            name = f"{unit}.{layer.name}" if unit else layer.name
            match layer:
                case layers.Conv():
                    view = View(self._convolution(name, layer, view))
                case layers.Norm() if not view.norm and view.slope == 1:
                    self.graph.norms[name] = layer
                    view = View(view.map, name)
                case layers.Act() if view.slope == 1:
                    view = View(view.map, view.norm, layer.slope)
                case _:
                    raise Unsuitable(f"{name} ({type(layer).__name__})")
        return view

    def _convolution(self, name: str, layer: layers.Conv, x: View) -> Map:
        channels, height, width = layers.output_shape(layer, (x.map.channels, x.map.height, x.map.width))
        low = [self._low(layer, size) for size in (x.map.height, x.map.width)]
        if low[0] != low[1]:
            raise Unsuitable(f"{name} pads rows and columns differently")
        out = Map(height, width, channels)
        out.maker = Convolution(name, layer, x, out, low[0])
        self.graph.nodes.append(out.maker)
        return out

    @staticmethod
    def _low(layer: layers.Conv | layers.Pool, size: int) -> int:
        if layer.padding == "same":
            return layers.same_padding(size, layer.kernel, layer.stride)[0]
        return int(layer.padding)

    def _shortcut(self, unit: str, chain: tuple[layers.Layer, ...], view: View) -> View:
        if not chain or isinstance(chain[0], layers.Conv):
            return self._chain(unit, chain, view)
        pool, pad = (chain[0], chain[1:]) if isinstance(chain[0], layers.Pool) else (None, chain)
        if len(pad) > 1 or not all(isinstance(layer, layers.PadChannels) for layer in pad):
            raise Unsuitable(f"{unit}'s shortcut of {', '.join(type(layer).__name__ for layer in chain)}")
        x, shape = view.map, (view.map.channels, view.map.height, view.map.width)
        for layer in chain:
            shape = layers.output_shape(layer, shape)
        before, after = (pad[0].before, pad[0].after) if pad else (0, 0)  # type: ignore[union-attr]
        out = Map(shape[1], shape[2], shape[0])
        widening = Widening(view, out, pool.stride if pool else 1, before, after)
        if pool and pool.kind == "average":
            widening.window = pool.kernel
            widening.low = (self._low(pool, x.height), self._low(pool, x.width))
        out.maker = widening
        self.graph.nodes.append(out.maker)
        return View(out)

    def _kept(self, unit: int, branch: View) -> View:
        out = Map(branch.map.height, branch.map.width, branch.map.channels)
        out.maker = Widening(branch, out, 1, 0, 0, unit=unit)
        self.graph.nodes.append(out.maker)
        return View(out)

    def _sum(self, a: View, b: View, slope: float) -> View:
        maker, is_plain = a.map.maker, not (a.norm or b.norm) and a.slope == b.slope == 1
        if isinstance(maker, Convolution) and maker.addend is None and is_plain and slope == 1:
            maker.addend = b
            self.graph.nodes.remove(maker)  # comes after what makes the addend
            self.graph.nodes.append(maker)
            return a
        out = Map(a.map.height, a.map.width, a.map.channels)
        out.maker = Sum(a, b, out, slope)
        self.graph.nodes.append(out.maker)
        return View(out)
