"""Drawings that several tests read, each made once."""

from functools import cache

from resnetlab.network.catalog import model_spec
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.picture import Layout, draw


@cache
def folded(name: str, layout: Layout = "NHWC") -> Scene:
    (scene,) = draw([model_spec(name)], layout=layout)
    return scene
