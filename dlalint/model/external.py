"""The side files that hold a model's weights: whether they are there. Their contents are never read here."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from dlalint.errors import reason
from dlalint.graph import Model, Op, Tensor

_POINTER = b"version https://git-lfs"
_OUTSIDE = "outside of the model's folder, where no loader follows it"


def tensors(model: Model) -> Iterator[Tensor]:
    """The constants of a model, wherever they are: weights, those in attributes, in bodies and in functions."""
    yield from model.graph.constants.values()
    parts = (model.graph.nodes, *(function.nodes for function in model.functions))
    pending = dict.fromkeys(node.op for nodes in parts for node in nodes)  # nodes share their operators
    seen: set[Op] = set()
    while pending:
        op, _ = pending.popitem()
        if op in seen:
            continue
        seen.add(op)
        for value in op.attributes.values():
            yield from (item for item in (value if type(value) is tuple else (value,)) if isinstance(item, Tensor))
        for body in op.graphs:
            yield from body.constants.values()
            pending.update(dict.fromkeys(node.op for node in body.nodes))
    for function in model.functions:
        yield from (value for value in function.defaults.values() if isinstance(value, Tensor))


def faulty_side_files(model: Model) -> tuple[tuple[str, str], ...]:
    """The side files that a loader would stumble over, each with what is wrong with it, weights first."""
    ends: dict[str, int] = {}
    for tensor in tensors(model):
        if tensor.where is not None and tensor.where.file:
            ends[tensor.where.file] = max(ends.get(tensor.where.file, 0), _end(tensor))
    states = ((name, fault(model.path, name, end)) for name, end in ends.items())
    return tuple((name, state) for name, state in states if state)


def _end(tensor: Tensor) -> int:
    where = tensor.where
    assert where is not None
    return where.offset + (where.length if where.length is not None else tensor.nbytes)


def fault(model: str, name: str, end: int) -> str:
    """What is wrong with the side file ``name`` of the model at ``model``, which needs ``end`` bytes of it; empty when nothing is."""
    path = os.path.join(os.path.dirname(model), name)
    if os.path.isabs(name) or ".." in name.replace("\\", "/").split("/"):
        return _OUTSIDE
    try:
        if not _contained(model, path):
            return _OUTSIDE
        status = os.stat(path)
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            return "no regular file"
        if status.st_nlink > 1:
            return f"one of {status.st_nlink} names of a file (hard links), which loaders refuse"
        if size < 1024:
            with open(path, "rb") as file:
                if file.read(len(_POINTER)) == _POINTER:
                    return "a Git LFS pointer, not fetched"
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError) as error:
        return f"not readable ({reason(error)})"
    return f"too short: {size} bytes, the model refers to {end}" if size < end else ""


def _contained(model: str, path: str) -> bool:
    """Whether a side file lies in the model's folder once all links are followed, or beside the file that the model is a link to."""
    folder, name = os.path.split(path)
    if folder == os.path.dirname(model) and name not in ("", ".") and "\0" not in name and not os.path.islink(path):
        return True  # beside the model, and no link: the usual case
    real = os.path.realpath(path)
    homes = (os.path.realpath(os.path.dirname(model) or "."), os.path.dirname(os.path.realpath(model)))
    return any(real.startswith(os.path.join(home, "")) for home in homes)
