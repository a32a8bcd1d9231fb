"""The side files that hold a model's weights: whether they are there. Their contents are never read here."""

from __future__ import annotations

import os
import stat

from dlalint.graph import Model, Tensor

_POINTER = b"version https://git-lfs"


def faulty_side_files(model: Model) -> tuple[tuple[str, str], ...]:
    """The side files that a build would stumble over, each with what is wrong with it, in the order of their first use."""
    ends: dict[str, int] = {}
    for tensor in model.graph.constants.values():
        if tensor.where is not None and tensor.where.file:
            ends[tensor.where.file] = max(ends.get(tensor.where.file, 0), _end(tensor))
    folder = os.path.dirname(model.path)
    states = ((name, _state(folder, name, end)) for name, end in ends.items())
    return tuple((name, state) for name, state in states if state)


def _end(tensor: Tensor) -> int:
    where = tensor.where
    assert where is not None
    return where.offset + (where.length if where.length is not None else tensor.nbytes)


def _state(folder: str, name: str, end: int) -> str:
    path = os.path.join(folder, name)
    if os.path.isabs(name) or ".." in name.replace("\\", "/").split("/"):
        return "outside of the model's folder, where no loader follows it"
    try:
        status = os.stat(path)
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            return "no regular file"
        if size < 1024:
            with open(path, "rb") as file:
                if file.read(len(_POINTER)) == _POINTER:
                    return "a Git LFS pointer, not fetched"
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError) as error:
        return f"not readable ({getattr(error, 'strerror', None) or error})"
    return f"too short: {size} bytes, the model refers to {end}" if size < end else ""
