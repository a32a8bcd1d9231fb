"""What the lint says: one finding, and the limit behind it."""

from __future__ import annotations

from typing import Union

from dlalint.named_tuple import NamedTuple

LimitValue = Union[int, float, bool, str, tuple[int, ...], tuple[float, ...], tuple[str, ...]]

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)
# rules whose errors are wrong values: they send nothing to the GPU
WRONG_VALUES = frozenset({"fp16-overflow", "fp16-weights-overflow"})


class Limit(NamedTuple):
    """A limit of one release and SoC.

    ``confidence`` is ``documented``, ``observed`` (in a published build) or ``inferred`` (from another release or source).
    """

    name: str
    value: LimitValue
    confidence: str
    sources: tuple[str, ...]
    note: str = ""


class Finding(NamedTuple):
    """One thing to know about a model on a target.

    ``severity`` is ``error`` (falls to the GPU, the build fails, or values are wrong), ``warning`` (placed, but costly or at risk) or
    ``note``.
    ``verdict`` is ``fail`` or ``unknown``. ``node`` is a node's id, ``layer`` and ``tensor`` are names; each is empty when the finding is
    about something else. ``cause`` is the index of the finding that this one follows from.
    """

    code: str
    name: str
    severity: str
    verdict: str
    message: str
    node: str = ""
    node_index: int = -1
    layer: str = ""
    tensor: str = ""
    observed: LimitValue | None = None
    limit: LimitValue | None = None
    why: str = ""
    fix: str = ""
    rewrites: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    confidence: str = ""
    note: str = ""
    cause: int | None = None
