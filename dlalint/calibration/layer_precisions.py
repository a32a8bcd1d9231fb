"""The list of layer precisions that trtexec takes: ``--layerPrecisions=conv1:fp16,*:int8``.

Source: ``sampleOptions.cpp`` of NVIDIA/TensorRT: entries are parted by commas, name and type by the last colon.
"""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.errors import UsageError

ALL = "*"
_TYPES = ("fp32", "fp16", "int8")


def parse(text: str, where: str = "--layer-precisions") -> dict[str, str]:
    """The type of each layer by its name; ``*`` stands for all that are not named. Raises :class:`UsageError`."""
    found: dict[str, str] = {}
    for entry in text.strip().split(","):
        name, colon, kind = entry.strip().strip('"').rpartition(":")
        name = name.strip('"')
        if not colon or not name or kind not in _TYPES:
            what = f"{entry[:80]!r} is no precision of a layer"
            raise UsageError(what, where=where, cure=f"Write NAME:TYPE,NAME:TYPE with {', '.join(_TYPES)}.", code="E549")
        found[name] = kind
    return found


def to_text(kinds: Mapping[str, str]) -> str:
    """The list as trtexec reads it. Raises :class:`UsageError` for a name that it would cut."""
    odd = next((name for name in kinds if "," in name or not name), None)
    if odd is not None:
        what = f"--layerPrecisions cannot name the layer {odd[:80]!r}"
        raise UsageError(what, cure="Rename the node in the model.", code="E549")
    return ",".join(f"{name}:{kind}" for name, kind in kinds.items())
