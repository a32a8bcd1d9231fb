"""The engine's layers in a verbose log: ``Layer: a (Type), ...`` up to 7.x, ``Layer(Type): a, ...`` since; and those inside loadables."""

from __future__ import annotations

import re

from dlalint.trtexec.formats import DTYPES, described, uses
from dlalint.trtexec.names import nodes, normalized
from dlalint.trtexec.observed import EngineLayer, LayerInfo, Use
from dlalint.trtexec.section import Section, bounded
from dlalint.trtexec.text import Line

_NEW = re.compile(r"Layer\(([A-Za-z0-9_]{1,40})\): ")
_OLD = re.compile(r"Layer: (.+?) \(([A-Za-z0-9_<>]{1,40})\), Tactic: ", re.DOTALL)
_TACTIC = re.compile(r", Tactic: (0x[0-9a-f]{1,16}|-?\d{1,20}),? ?")
_PRECISION = re.compile(r", Precision: ([A-Za-z0-9]{1,12}), ")
_MEMBERS = ": DLA Network Layer Information:"
_TENSOR = re.compile(r"\{ Name: (.*?), (?:Location: [A-Za-z]{1,10}, )?Dimensions: \[([\d,-]{0,200})\], Format/Datatype: ([^}]{1,200}?) ?\}")
_LONG = 1 << 14
_ENDS = ("Engine Layer Information:", "Layer Information:")


class EngineLines(Section):
    """The list of the engine's layers, and the layers of each loadable."""

    def __init__(self) -> None:
        self.layers: list[EngineLayer] = []
        self.members: dict[str, list[EngineLayer]] = {}
        self._loadable = ""
        self._open = ""
        self._pieces = 0

    def take(self, line: Line) -> bool:
        """Whether the line is a layer, or the head of a list of layers."""
        text = line.text
        if not text.startswith(("Layer(", "Layer: ", "Name: ", "{", "Engine Layer", "Layer Info", "Layers:")):
            return False
        self._open = ""
        self._pieces = 0
        if text.endswith(_MEMBERS):
            self._loadable = normalized(text[: -len(_MEMBERS)])
            bounded(len(self.members))
            self.members[self._loadable] = []
            return True
        if text.startswith(_ENDS):
            self._loadable = ""
            self.layers.clear()  # the last list is the engine's
            return True
        return text == "Layers:" or self._layer(text + line.glue)

    def more(self, line: Line) -> bool:
        """The rest of a broken line."""
        if not self._open or line.text.startswith(("Layer(", "Layer:", "Name:", "&&&&")) or self._pieces > 64:
            return False
        self._pieces += 1
        text, self._open = self._open + line.rest + line.glue, ""
        if self._loadable and ", Precision: " in text:
            self.members[self._loadable].pop()
        elif self.layers:
            self.layers.pop()
        return self._layer(text)

    def _layer(self, text: str) -> bool:
        layer = _new(text) or _old(text) or _described(text)
        if layer is None:
            return False
        inside = bool(self._loadable) and ", Precision: " in text
        target = self.members[self._loadable] if inside else self.layers
        bounded(len(target))
        target.append(layer)
        if not layer.outputs and len(text) < _LONG:
            self._open = text  # cut off by the logger at its length, or broken by a paste: the next line tells
        return True

    def info(self) -> LayerInfo | None:
        """The engine's layers, if there were any."""
        return LayerInfo(tuple(self.layers), (), True) if self.layers else None


def _new(text: str) -> EngineLayer | None:
    """A line of 8.x or 10.x, or of a layer in a loadable, which has its precision instead of a tactic."""
    found = _NEW.match(text)
    if not found:
        return None
    rest = text[found.end() :]
    precision = _PRECISION.search(rest)
    mark = precision or _TACTIC.search(rest)
    if not mark:
        return EngineLayer(normalized(rest), found[1], nodes=nodes(normalized(rest)))
    name, sides = normalized(rest[: mark.start()]), rest[mark.end() :]
    if precision:
        return _built(name, found[1], sides, "", DTYPES.get(precision[1].lower(), precision[1]))
    return _built(name, found[1], sides, mark[1], "")


def _old(text: str) -> EngineLayer | None:
    """A line of 5.x to 7.x."""
    found = _OLD.match(text)
    mark = _TACTIC.search(text, found.start(2)) if found else None
    if not found or not mark:
        return None
    return _built(normalized(found[1]), found[2], text[mark.end() :], mark[1], "")


def _built(name: str, kind: str, sides: str, tactic: str, precision: str) -> EngineLayer:
    before, arrow, after = sides.rpartition(" -> ") if " -> " in sides else (sides, "", "")
    inputs, outputs = uses(before), uses(after) if arrow else ()
    return EngineLayer(name, kind, inputs, outputs, precision or computed(kind, inputs, outputs), tactic, nodes(name))


def computed(kind: str, inputs: tuple[Use, ...], outputs: tuple[Use, ...]) -> str:
    """The precision that a layer's tensors tell: of its first input, for a layer that only moves data of its output."""
    if kind in ("Reformat", "NoOp", "Constant", "Shuffle"):
        inputs = ()
    return next((use.format.dtype for use in (*inputs, *outputs) if use.format.dtype), "")


def _described(text: str) -> EngineLayer | None:
    """A line of ``--dumpLayerInfo`` with detailed verbosity: ``Name: a, LayerType: Reformat, Inputs: [ { Name: ...``."""
    if not text.startswith("Name: ") or ", LayerType: " not in text:
        return None
    name, _, rest = text[6:].partition(", LayerType: ")
    kind, _, rest = rest.partition(", ")
    before, _, after = rest.partition("Outputs: [")
    inputs, outputs = (tuple(_tensors(side)) for side in (before, after))
    tactic = re.search(r"TacticValue: (0x[0-9a-f]{1,16})", after)
    stated = [part.partition("]")[0] for part in after.split("[ONNX Layer: ")[1:]]
    title = normalized(name)
    value = tactic[1] if tactic else ""
    return EngineLayer(title, kind, inputs, outputs, computed(kind, inputs, outputs), value, tuple(stated) or nodes(title), bool(stated))


def _tensors(text: str) -> list[Use]:
    found = []
    for part in text.split("{ Name: ")[1:]:
        match = _TENSOR.match("{ Name: " + part.partition("}")[0] + "}")
        if match:
            dims = tuple(int(dim) for dim in match[2].split(",") if dim.strip("-"))
            found.append(Use(match[1], described(match[3]), dims))
    return found
