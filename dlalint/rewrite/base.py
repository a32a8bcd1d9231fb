"""What a rewrite is: a plan that turns a node and its surroundings into others, or says why it does not apply."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Union

from onnx import NodeProto, TensorProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.graph import Graph

EXACT, ROUNDING, APPROXIMATE = "exact", "rounding", "approximate"
EXACTNESS = (EXACT, ROUNDING, APPROXIMATE)

# when a rewrite has its turn: what folds comes before what replaces, what is bit-equal before what rounds
FOLD, BATCH_NORM, CANCEL, REPLACE, LAST = range(5)


class Replacement(NamedTuple):
    """``nodes`` and ``tensors`` (initializers) in place of the nodes with the indices ``remove``.

    Whatever others read of the removed nodes, the new ones make under the same name.
    """

    remove: tuple[int, ...]
    nodes: tuple[NodeProto, ...]
    tensors: tuple[TensorProto, ...] = ()


class Miss(str):
    """Why a rewrite does not apply at a node; reads after the rewrite's name."""


Plan = Callable[[Graph, int], Union[Replacement, Miss]]


class Rewrite(NamedTuple):
    """One entry of the catalogue.

    ``operators`` are the ONNX operators it may start from; ``plan`` is asked for each such node that has a finding which names the rewrite
    (in the cards of rules/). ``exactness``: ``exact`` is bit-equal on finite data, ``rounding`` equal up to the order of float operations,
    ``approximate`` is never applied unasked. ``turn`` orders the rewrites.
    """

    name: str
    exactness: str
    summary: str
    operators: frozenset[str]
    plan: Plan
    turn: int = REPLACE


@cache
def catalogue() -> tuple[Rewrite, ...]:
    """Every rewrite in the order of their turns: each module of the package ``catalogue`` holds one, as ``REWRITE``."""
    package = import_module("dlalint.rewrite.catalogue")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found: list[Rewrite] = [import_module(f"{package.__name__}.{name}").REWRITE for name in names]
    return tuple(sorted(found, key=lambda item: (item.turn, EXACTNESS.index(item.exactness), item.name)))


def table() -> str:
    """The catalogue as rules/rewrites.toml holds it, for those who must not import onnx to know of it."""
    rows = ["# The rewrites of dlalint/rewrite/catalogue, written by `python tests/rewrite/write_table.py`; edits belong there.", ""]
    for item in sorted(catalogue(), key=lambda item: item.name):
        names = ", ".join(f'"{name}"' for name in sorted(item.operators))
        rows += [f"[{item.name}]", f'exactness = "{item.exactness}"', f'summary = "{item.summary}"', f"operators = [{names}]", ""]
    return "\n".join(rows[:-1]) + "\n"
