"""Products with constant matrices, and what lies between them, as convolutions and maps of four dimensions.

A Flatten before the product becomes its kernel, and one that is still needed moves behind the last node that four dimensions allow.
"""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.lifting import BORDER, entrance, exits, has_product, lifted, reads, regions
from dlalint.rewrite.lifts import BINARY, PRODUCTS, SOFTMAX, UNARY


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = next((region for region in regions(graph, index) if has_product(graph, region)), None)
    if found is None:
        return Miss("it is no product with a constant matrix of static shape, nor beside one")
    if found.frame.between:
        entering = any(entrance(graph, found, name) for name in reads(graph, found))
        if not entering and not any(exits(graph, found, graph.nodes[item].output[0]) for item in found.nodes):
            return Miss("no tensor before or behind the product has its channels in front")
    return lifted(graph, found, Builder(graph, found.nodes[0], REWRITE.name))


REWRITE = Rewrite(
    "gemm-to-conv",
    ROUNDING,
    "Products with constant matrices become convolutions; reshapes around them vanish or move to the end.",
    PRODUCTS | BORDER | UNARY | BINARY | SOFTMAX,
    _plan,
)
