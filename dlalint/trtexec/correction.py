"""What the rule data would have to say for a build: disagreements by cause, each with the limit that would mend it, as a suggestion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dlalint.finding import Limit, LimitValue
from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.claims import Basis
from dlalint.trtexec.comparison import NOT_DLA, Comparison, Pair
from dlalint.trtexec.contrast import Checked, alternatives, widened
from dlalint.trtexec.reasons import stated

Measure = Callable[[int], Sequence[Checked]]  # what the cards compare for a layer of the predicted network
OBSERVED, KINDS, LIFTED, WITHOUT = "observed", "kinds", "lifted", "without"
_KINDS_LIMIT, _LOADABLES = "layer.kinds", "loadables.max"


class Correction(NamedTuple):
    """A suggested change of the rule data. ``table`` is ``observed`` (``value`` replaces ``now``), ``lifted`` (the limit goes), ``kinds``
    (``value`` is a kind of layer to add) or ``without`` (one to take out). ``because`` is what the build shows.
    """

    limit: str
    table: str
    now: LimitValue | None
    value: LimitValue | None
    because: str


class Group(NamedTuple):
    """Disagreements with one cause. ``rules`` are (code, message) of what predicted the GPU, ``reason`` is the log's own.

    ``corrections`` are all needed, or alternatives of each other when ``either``; ``remark`` says what there is to say without one.
    """

    pairs: tuple[Pair, ...]
    rules: tuple[tuple[str, str], ...]
    reason: str
    corrections: tuple[Correction, ...]
    either: bool
    remark: str


class Book(NamedTuple):
    """The part of the rule data that is needed: limits by name, and the limit of each card by its code."""

    limits: Mapping[str, Limit]
    of_card: Mapping[str, str]


def groups(found: Comparison, book: Book, measure: Measure) -> tuple[Group, ...]:
    """The disagreements by cause, the largest group first."""
    work = _Work(found, book, measure)
    split: dict[tuple[object, ...], list[Pair]] = {}
    for pair in found.differing:
        split.setdefault(work.key(pair), []).append(pair)
    return tuple(sorted((work.group(pairs) for pairs in split.values()), key=lambda item: -len(item.pairs)))


class _Work:
    def __init__(self, found: Comparison, book: Book, measure: Measure) -> None:
        self.found = found
        self.book = book
        self.measure = measure
        self.layers: dict[int, list[int]] = {}
        for index, layer in enumerate(found.outcome.network.layers):
            for number in layer.origin if not layer.spec.helper else ():
                self.layers.setdefault(number, []).append(index)

    def key(self, pair: Pair) -> tuple[object, ...]:
        """What must be equal for two disagreements to have one cause."""
        codes = tuple(dict.fromkeys(finding.code for finding in pair.rules))
        limited = pair.real.basis == Basis.LIMIT.value
        kinds = () if codes or limited else self.kinds([pair])
        return (pair.node.device, pair.real.device, codes, pair.real.reason, limited, kinds)

    def kinds(self, pairs: Iterable[Pair]) -> tuple[str, ...]:
        """The kinds of TensorRT layer that the nodes are."""
        layers = self.found.outcome.network.layers
        return tuple(dict.fromkeys(layers[index].spec.kind for pair in pairs for index in self.layers.get(pair.node.number, ())))

    def group(self, pairs: Sequence[Pair]) -> Group:
        """The cause of ``pairs``, and what would mend it."""
        first = pairs[0]
        rules = tuple(dict.fromkeys((finding.code, finding.message) for finding in first.rules))
        either, remark = False, ""
        corrections: tuple[Correction, ...] = ()
        if first.node.device is Device.GPU:
            corrections, remark = self._looser(pairs)
        elif first.node.device is Device.FOLDED:
            remark = "It is predicted to vanish: not a limit, but what the parser or the builder makes of it."
        elif first.real.device == NOT_DLA:
            remark = "A copy or reshape: not a limit, but where the builder puts it."
        else:
            corrections, either, remark = self._tighter(pairs)
        return Group(tuple(pairs), rules, first.real.reason, corrections, either, remark)

    # predicted on the GPU, but on the DLA

    def _looser(self, pairs: Sequence[Pair]) -> tuple[tuple[Correction, ...], str]:
        made, remarks = [], []
        for code in dict.fromkeys(finding.code for finding in pairs[0].rules):
            limit = self.book.of_card.get(code, "")
            if limit == _LOADABLES:
                change, remark = self._more_loadables()
            elif limit not in self.book.limits:
                change, remark = None, f"{code} is no limit but a mechanism, which did not work here as it is modelled."
            else:
                change, remark = self._wider(pairs, limit), ""
            made += [change] if change is not None else []
            remarks += [remark] if remark else []
        if not pairs[0].rules:
            remarks.append("No rule about the node itself: it follows from what lies around it.")
        return tuple(made), " ".join(dict.fromkeys(remarks))

    def _more_loadables(self) -> tuple[Correction | None, str]:
        limit, count = self.book.limits.get(_LOADABLES), self.found.loaded
        if limit is None or count is None or not isinstance(limit.value, int) or count <= limit.value:
            return None, "The number of loadables is not wrong, but which candidates stay: the groups are formed otherwise."
        return Correction(_LOADABLES, OBSERVED, limit.value, count, f"the engine has {count} loadables"), ""

    def _wider(self, pairs: Sequence[Pair], name: str) -> Correction | None:
        limit = self.book.limits[name]
        if name == _KINDS_LIMIT:
            known = limit.value if isinstance(limit.value, tuple) else ()
            kinds = tuple(kind for kind in self.kinds(pairs) if kind not in known)
            value: LimitValue = kinds[0] if len(kinds) == 1 else kinds
            return Correction(name, KINDS, None, value, f"{_nodes(pairs)} of this kind on the DLA") if kinds else None
        tests = [test for pair in pairs for index in self.layers.get(pair.node.number, ()) for test in self.measure(index)]
        tests = [test for test in tests if test.limit.name == name]
        value_or_none = widened(limit.value, tests)
        seen = f"{_nodes(pairs)} beyond it on the DLA"
        if value_or_none is None:
            return Correction(name, LIFTED, limit.value, None, seen)
        return Correction(name, OBSERVED, limit.value, value_or_none, seen) if value_or_none != limit.value else None

    # predicted on the DLA, but on the GPU

    def _tighter(self, pairs: Sequence[Pair]) -> tuple[tuple[Correction, ...], bool, str]:
        said = stated(pairs[0].real.reason)
        if said is None:
            return self._contrasted(pairs)
        limit = self.book.limits.get(said.limit)
        if said.limit == _KINDS_LIMIT:
            return (Correction(said.limit, WITHOUT, None, said.word, "the log says so"),), False, ""
        now = limit.value if limit is not None else None
        value = said.value
        if said.word and isinstance(now, tuple):
            value = tuple(str(item) for item in now if item != said.word)
        if value is None or value == now:
            name = f"{said.limit} = {now}" if limit is not None else said.limit
            where = "which candidates stay differs" if said.limit == _LOADABLES else "the layer is taken for something else here"
            return (), False, f"The rule data say so already ({name}): not a number is wrong, {where}."
        return (Correction(said.limit, OBSERVED, now, value, "the log says so"),), False, ""

    def _contrasted(self, pairs: Sequence[Pair]) -> tuple[tuple[Correction, ...], bool, str]:
        """Without a reason: limits at which the refused layers lie beyond all layers of their kind that ran on the DLA."""
        if pairs[0].real.basis == Basis.LIMIT.value:
            return (), False, "Left out by the limit on loadables: the groups are formed otherwise."
        layers = self.found.outcome.network.layers
        kinds = frozenset(self.kinds(pairs))
        alike = [
            index
            for pair in self.found.pairs
            if pair.real.device == "dla"
            for index in self.layers.get(pair.node.number, ())
            if layers[index].spec.kind in kinds
        ]
        refused = [[test for index in self.layers.get(pair.node.number, ()) for test in self.measure(index)] for pair in pairs]
        if not alike:
            made = tuple(Correction(_KINDS_LIMIT, WITHOUT, None, kind, f"none of {_nodes(pairs)} ran on the DLA") for kind in sorted(kinds))
            return made, False, "No layer of this kind ran on the DLA in this build, and the log gives no reason."
        found = alternatives(refused, [self.measure(index) for index in alike])
        made = tuple(Correction(name, OBSERVED, self.book.limits[name].value, value, why) for name, value, why in found)
        return made, len(made) > 1, "" if made else "No limit tells these layers from those of their kind that ran on the DLA."


def _nodes(pairs: Sequence[Pair]) -> str:
    return "1 node" if len(pairs) == 1 else f"{len(pairs)} nodes"


def toml(corrections: Sequence[Correction], soc: str, source: str, *, either: bool = False) -> list[str]:
    """The lines to put into the release's file of limits; alternatives behind the first are comments, and so is what TOML cannot say."""
    lines: list[str] = []
    for number, item in enumerate(corrections):
        mark = "# or: " if either and number else ""
        now = f"now {_written(item.now)}; " if item.now is not None else ""
        remark = f"  # {now}{item.because}"
        if item.table == WITHOUT:
            lines.append(f"# {item.value} must leave [kinds]: {item.because}")
        elif item.table == KINDS:
            names = list(item.value) if isinstance(item.value, tuple) else [item.value]
            lines += [f"{mark}[soc.{soc}.kinds]", f"{mark}{source} = {_written(tuple(str(name) for name in names))}{remark}"]
        elif item.table == LIFTED:
            lines += [f"{mark}[soc.{soc}.lifted]", f"{mark}{_quoted(item.limit)} = {_quoted(item.because)}  # {now.rstrip('; ')}"]
        else:
            lines += [f"{mark}[soc.{soc}.observed.{source}]", f"{mark}{_quoted(item.limit)} = {_written(item.value)}{remark}"]
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(value: LimitValue | None) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_written(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else f"{value}"
