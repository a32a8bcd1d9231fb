"""The names that TensorRT gives to engine layers: what is fused in them, what they stand for."""

from __future__ import annotations

import re

from dlalint.named_tuple import NamedTuple

_FOREIGN = "{ForeignNode["
_COPY = re.compile(r"Reformatting CopyNode for (Input|Output) Tensor (\d{1,6}) to (.+)", re.DOTALL)
_REFORMATTER = re.compile(r"(.+) (input|output) reformatter (\d{1,6})", re.DOTALL)
_UNNAMED = re.compile(r"\(Unnamed Layer\* *(\d+)\)")
# layers that TensorRT and its parser put in: they stand for no ONNX node of their own
_HELPERS = ("ONNXTRT_", "reshape_before_", "reshape_after_", "squeeze_after_", "unsqueeze_node_after_", "copied_squeeze_after_", "copied_")
_ELISIONS = frozenset({"...", "…"})


class Reformat(NamedTuple):
    """A reformat by its name: of which input or output (``side``) of which layer."""

    side: str
    number: int
    layer: str


def normalized(name: str) -> str:
    """``name`` as TensorRT writes it, whatever a paste did to its blanks."""
    return _UNNAMED.sub(r"(Unnamed Layer* \1)", name.strip()) if "Unnamed" in name else name.strip()


def reformat(name: str) -> Reformat | None:
    """What a reformat's name says, ``None`` for another layer."""
    found = _COPY.fullmatch(name)
    if found:
        return Reformat(found[1].lower(), int(found[2]), found[3])
    found = _REFORMATTER.fullmatch(name)
    return Reformat(found[2], int(found[3]), found[1]) if found else None


def foreign(name: str) -> tuple[str, str] | None:
    """The first and last layer of ``{ForeignNode[a...b]}``, equal when it holds one; the end may be cut off."""
    if not name.startswith(_FOREIGN) or ("]}" in name and not name.endswith("]}")):
        return None
    inner = name[len(_FOREIGN) :].rstrip(", ")
    inner = inner[:-2] if inner.endswith("]}") else inner
    first, dots, last = inner.partition("...")
    return (first, last) if dots and last else (inner if not dots else first, first)


def braces(name: str) -> tuple[tuple[str, ...], bool] | None:
    """The layers of a loadable written ``{a,b,c}`` and whether some are left out, ``None`` for another name."""
    if not name.startswith("{") or name.startswith(_FOREIGN) or ("}" in name and not name.endswith("}")):
        return None
    inner = name[1:-1] if name.endswith("}") else name[1:]
    found = [part.strip() for part in split(inner, ",")]
    whole = name.endswith("}")
    kept = tuple(normalized(part) for part in found if part and part not in _ELISIONS and (whole or not part.endswith("...")))
    return kept, len(kept) < len(found) or not whole


def split(text: str, separator: str) -> list[str]:
    """``text`` cut at ``separator`` outside all brackets; at every one when the brackets do not match."""
    if separator not in text:
        return [text]
    parts: list[str] = []
    opened: list[str] = []
    start = 0
    for found in re.finditer(rf"[(\[{{)\]}}]|{re.escape(separator)}", text):
        token = found[0]
        if token in "([{":
            opened.append(token)
        elif token in ")]}":
            if not opened:
                return text.split(separator)
            opened.pop()
        elif not opened:
            parts.append(text[start : found.start()])
            start = found.end()
    cut_off = not opened or opened == ["{"]  # a list may end in the middle of a group
    return [*parts, text[start:]] if cut_off else text.split(separator)


def pieces(name: str) -> tuple[str, ...]:
    """The layers fused under ``name`` (``a + b``, ``a || b``, ``PWN(a, b)``), reformats and helpers as they are; ends of a range."""
    ends = foreign(name)
    if ends is not None:
        return tuple(dict.fromkeys(piece for end in ends for piece in pieces(end)))
    members = braces(name)
    if members is not None:
        return tuple(dict.fromkeys(piece for member in members[0] for piece in _flat(member)))
    return _flat(name)


def _flat(name: str) -> tuple[str, ...]:
    """Without recursion, for the nesting of PWN(...) has no limit."""
    parts = [name]
    wrapped = "PWN(" in name
    for separator in (" || ", " + ", ", " if wrapped else " + "):
        parts = [piece for part in parts for piece in part.split(separator)]
    found = []
    for part in parts:
        text = part.replace("PWN(", "") if wrapped else part
        excess = text.count(")") - text.count("(") if wrapped else 0
        if excess > 0:
            text = text[: max(len(text.rstrip(")")), len(text) - excess)]
        text = normalized(text)
        if text and text not in _ELISIONS:
            found.append(text)
    return tuple(dict.fromkeys(found))


def is_copy(name: str) -> bool:
    """Whether ``name`` is a copy of a tensor, which computes nothing: of an output, or into a concatenation."""
    return name.endswith((" copy", "_copy_output", "_copy_input"))


def is_helper(name: str) -> bool:
    """Whether ``name`` is a layer without an ONNX node: unnamed, a broadcast, a reshape around a matrix product."""
    return name.startswith("(Unnamed Layer*") or name.startswith(_HELPERS) or "[Shuffle]_output" in name


def nodes(name: str) -> tuple[str, ...]:
    """The ONNX nodes that a layer's name holds; none for a reformat or a helper."""
    if reformat(name) is not None:
        return ()
    return tuple(piece for piece in pieces(name) if not is_helper(piece))


def opening(text: str) -> int:
    """Where the bracket that the last one closes was opened."""
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        char = text[index]
        if char in ")]":
            depth += 1
        elif char in "([":
            depth -= 1
            if depth == 0:
                return index
    return 0


def spoken(name: str) -> str:
    """A layer's name as a reader can take it in: the ends of a loadable, the first of what is fused."""
    ends = foreign(name)
    if ends is not None:
        return " ... ".join(dict.fromkeys(spoken(end) for end in ends))
    members = braces(name)
    if members is not None and members[0]:
        return " ... ".join(dict.fromkeys((members[0][0], members[0][-1])))
    held = nodes(name)
    if not held or (len(name) < 60 and len(held) == len(pieces(name))):
        return name
    return held[0] if len(held) == 1 else f"{held[0]} (and {len(held) - 1} fused)"
