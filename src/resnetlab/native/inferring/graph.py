"""A trained network as few passes over maps: BN, activations and sums happen where a map is made."""

from dataclasses import dataclass, field

from resnetlab.network import layers
from resnetlab.network.plan import Plan


@dataclass(eq=False)
class Map:
    """(N, height, width, channels) in memory."""

    height: int
    width: int
    channels: int
    maker: "Node | None" = None


@dataclass(eq=False)
class Second:
    """A second map of what was made: normalised by the BN of that name, then activated."""

    norm: str
    out: Map
    slope: float = 1.0


@dataclass(eq=False)
class Node:
    """out = late(early(norm(made)) + addend), and perhaps a second map of that; a slope of 1 does nothing.

    Attributes:
        layer: What is made: a convolution or pooling of x, x with more channels, the classifier, or x itself.
        out: None where the second map alone is read.
    """

    name: str
    layer: layers.Layer | None
    x: Map
    out: Map | None
    norm: str = ""
    early: float = 1.0
    addend: Map | None = None
    late: float = 1.0
    second: Second | None = None

    @property
    def finishes(self) -> bool:
        """Whether it is a pass that can normalise, add and activate."""
        return self.layer is None or isinstance(self.layer, layers.Conv | layers.Linear)

    @property
    def reads(self) -> list[Map]:
        """The maps that it reads."""
        return [self.x, *([self.addend] if self.addend else [])]

    @property
    def makes(self) -> list[Map]:
        """The maps that it makes."""
        return [*([self.out] if self.out else []), *([self.second.out] if self.second else [])]


@dataclass
class Graph:
    """What makes of images the logits, in order."""

    images: Map
    nodes: list[Node] = field(default_factory=list)
    norms: dict[str, layers.Norm] = field(default_factory=dict)


def graph_of(plan: Plan, height: int, width: int) -> Graph:
    """Return a network's passes for images of this size."""
    drafting = _Drafting(Graph(Map(height, width, plan.in_channels)))
    x = drafting.chain("", plan.stem, drafting.graph.images)
    for unit in plan.units:
        from_preact = unit.shortcut_from == "preact"
        has_shortcut = unit.shortcut is not None
        preact = drafting.chain(unit.name, unit.before, x, is_shared=has_shortcut and not from_preact)
        total = drafting.chain(unit.name, unit.branch, preact, is_shared=has_shortcut)
        if unit.shortcut is not None:
            source = preact if from_preact else x
            total = drafting.add(total, drafting.chain(unit.name, unit.shortcut, source, is_shared=True))
        x = drafting.chain(unit.name, unit.after, total)
    drafting.chain("", plan.tail, x)
    return drafting.graph


class _Drafting:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def chain(self, unit: str, chain: tuple[layers.Layer, ...], x: Map, *, is_shared: bool = False) -> Map:
        """Add layers one after another; `is_shared`: x is read by others too."""
        for layer in chain:
            name = f"{unit}.{layer.name}" if unit else layer.name
            match layer:
                case layers.Norm():
                    self.graph.norms[name] = layer
                    x = self._norm(name, x, is_shared)
                case layers.Act():
                    x = self._activate(layer.slope, x, is_shared)
                case _:
                    x = self._make(name, layer, x)
            is_shared = False
        return x

    def add(self, a: Map, b: Map) -> Map:
        """Add two maps: in the pass that makes one of them, where nobody else reads that."""
        node = a.maker
        if node is None or not node.finishes or node.addend or node.second or node.late != 1:
            node = self._pass(a)
        else:
            self.graph.nodes.remove(node)  # comes after what makes the addend
            self.graph.nodes.append(node)
        node.addend = b
        assert node.out is not None
        return node.out

    def _make(self, name: str, layer: layers.Layer | None, x: Map) -> Map:
        shape = (x.channels, x.height, x.width)
        channels, height, width = layers.output_shape(layer, shape) if layer else shape
        out = Map(height, width, channels)
        out.maker = Node(name, layer, x, out)
        self.graph.nodes.append(out.maker)
        return out

    def _pass(self, x: Map) -> Node:
        """Add a pass that makes x of x, for what shall follow."""
        maker = self._make("", None, x).maker
        assert maker is not None
        return maker

    def _norm(self, name: str, x: Map, is_shared: bool) -> Map:
        node = x.maker
        if node is None or not node.finishes or node.second:
            node, is_shared = self._pass(x), False
        if is_shared or node.norm or node.addend or (node.early, node.late) != (1, 1):
            node.second = Second(name, Map(x.height, x.width, x.channels, node))
            node.out = node.out if is_shared else None
            return node.second.out
        node.norm = name
        assert node.out is not None
        return node.out

    def _activate(self, slope: float, x: Map, is_shared: bool) -> Map:
        node = x.maker
        if node and node.second and node.second.out is x and node.second.slope == 1 and not is_shared:
            node.second.slope = slope
            return x
        if node is None or not node.finishes or is_shared or node.second or node.late != 1:
            node = self._pass(x)
        if node.addend:
            node.late = slope
        elif node.early == 1:
            node.early = slope
        else:
            node = self._pass(x)
            node.early = slope
        assert node.out is not None
        return node.out
