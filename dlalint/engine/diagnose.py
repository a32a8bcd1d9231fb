"""From broken limits and a partition to findings: what is said about which node, and what follows from what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlalint.engine.check import Checker, Verdict, Violation
from dlalint.engine.predicates import in_words, value_in_words
from dlalint.engine.registry import QUANTITIES, SKIP
from dlalint.engine.ruleset import BoundCard, Card, RuleSet, TargetRules, limit_in_words
from dlalint.finding import ERROR, Finding, Limit, LimitValue
from dlalint.graph import Node
from dlalint.named_tuple import NamedTuple
from dlalint.network import Layer, LayerSpec, Network

_PLACEHOLDER = re.compile(r"\{([a-z0-9_.]+)\}")
_NAMED = re.compile(r"\{(?:layer|tensor)\}")  # sentences that name what one layer is about


class Diagnosis:
    """Collects the findings of one model on one target."""

    def __init__(
        self, rules: TargetRules, book: RuleSet, checker: Checker, network: Network, ids: Sequence[str], nodes: Sequence[Node]
    ) -> None:
        """``nodes`` are those of the model, with their ``ids``."""
        self.rules = rules
        self.book = book
        self.checker = checker
        self.network = network
        self.ids = ids
        self._nodes = nodes
        self.findings: list[Finding] = []
        self._first: dict[int, int] = {}  # the finding that first sends a layer to the GPU

    def layer(self, index: int, verdict: Verdict, causes: Mapping[str, int]) -> None:
        """The violations of one layer. ``causes`` maps the slug of a card to the finding that its findings follow from."""
        layer = self.network.layers[index]
        for number, violation in enumerate(verdict.violations):
            finding = self._violated(layer, violation, number)
            cause = causes.get(violation.bound.card.slug)
            place = self._put(finding if cause is None else finding._replace(cause=cause), layer)
            if finding.severity == ERROR:
                self._first.setdefault(index, place)

    def _violated(self, layer: Layer, violation: Violation, number: int) -> Finding:
        """The finding of the violation ``number`` of a layer; what does not depend on names is worded once for all that are alike."""
        node = layer.origin[0] if layer.origin else -1
        key = (id(self.rules), layer.spec, number, self._operator(node))
        said = self.checker.said.get(key)
        if said is None:
            said = self._of_layer(layer, violation, None)
            card = violation.bound.card
            if not _NAMED.search(f"{card.message} {card.why} {card.instead}"):
                self.checker.said[key] = said
            return said
        tensor = _tensor_name(layer, violation.tensor) if violation.tensor >= 0 else ""
        return said._replace(node=self.ids[node] if node >= 0 else "", node_index=node, layer=layer.name, tensor=tensor)

    def on_layer(self, slug: str, index: int, observed: Any, cause: int | None = None, *, tensor: str = "", **extra: str) -> int:
        """A finding of a network rule about one layer; returns its index."""
        layer = self.network.layers[index]
        self._first.setdefault(index, len(self.findings))
        return self._add(slug, layer=layer, observed=observed, tensor=tensor, cause=cause, extra=extra)

    def on_model(self, slug: str, observed: Any, *, tensor: str = "", cause: int | None = None, **extra: str) -> int:
        """A finding about the model as a whole, or one of its tensors; returns its index."""
        return self._add(slug, observed=observed, tensor=tensor, cause=cause, extra=extra)

    def first(self, index: int) -> int | None:
        """The finding that first sends a layer to the GPU."""
        return self._first.get(index)

    def _add(
        self,
        slug: str,
        *,
        layer: Layer | None = None,
        observed: Any,
        tensor: str = "",
        cause: int | None = None,
        extra: Mapping[str, str],
    ) -> int:
        card = self.book.by_slug[slug]
        limit = self.rules.limits.get(card.limit)
        bound = self.rules.bound(card)
        words = {"observed": value_in_words(observed), "limit": self._limit_words(bound, limit), "tensor": tensor, **extra}
        return self._put(self._finding(bound, limit, layer, words, observed, tensor, cause), layer)

    def _put(self, finding: Finding, layer: Layer | None) -> int:
        """Add a finding and return its index; an error about a layer made of several nodes is one about each of them."""
        place = len(self.findings)
        self.findings.append(finding)
        if layer is not None and finding.severity == ERROR:
            card = self.book.by_code[finding.code]
            self.findings += [
                finding._replace(node=self.ids[number], node_index=number, rewrites=self._rewrites(card, number))
                for number in layer.origin[1:]
            ]
        return place

    def _of_layer(self, layer: Layer, violation: Violation, cause: int | None) -> Finding:
        bound = violation.bound
        tensor = _tensor_name(layer, violation.tensor)
        words = {
            "observed": value_in_words(violation.observed),
            "limit": limit_in_words(bound),
            "tensor": tensor,
            "layer": layer.name,
        }
        return self._finding(bound, bound.limit, layer, words, violation.observed, tensor if violation.tensor >= 0 else "", cause)

    def _finding(
        self,
        bound: BoundCard,
        limit: Limit | None,
        layer: Layer | None,
        words: Mapping[str, str],
        observed: Any,
        tensor: str,
        cause: int | None,
    ) -> Finding:
        card = bound.card
        fill = Filler(self, layer, words).fill
        number = layer.origin[0] if layer is not None else -1
        without = self.rules.sources_without_dla
        sources = (*(limit.sources if limit is not None else ()), *card.sources, *(without if card.slug == "release-without-dla" else ()))
        why = fill(card.why)
        return Finding(
            code=card.code,
            name=card.slug,
            severity=bound.severity,
            verdict=_verdict(bound, limit),
            message=fill(card.message),
            node=self.ids[number] if number >= 0 else "",
            node_index=number,
            layer=layer.name if layer is not None else "",
            tensor=tensor,
            observed=_plain(observed),
            limit=limit.value if limit is not None else None,
            why=f"{why} {limit.note}" if limit is not None and limit.note else why,
            fix=fill(card.instead),
            rewrites=self._rewrites(card, number),
            sources=tuple(dict.fromkeys(sources)),
            confidence=limit.confidence if limit is not None else self._confidence(sources),
            cause=cause,
        )

    def _confidence(self, sources: Sequence[str]) -> str:
        """What a statement without a limit is worth: seen in builds alone, or written down by someone."""
        kinds = {self.book.sources[source]["kind"] for source in sources}
        return "observed" if kinds == {"build"} else "documented" if kinds else ""

    def _rewrites(self, card: Card, number: int) -> tuple[str, ...]:
        """The rewrites that answer a card and start from the operator of a node."""
        if number < 0:
            return card.rewrites
        operator = self._operator(number)
        return tuple(name for name in card.rewrites if operator in self.book.rewrites[name]["operators"])

    def _operator(self, number: int) -> str:
        """The standard operator of a node, empty when it is another's or there is no such node."""
        op = self._nodes[number].op if number >= 0 else None
        return "" if op is None or op.domain else op.op_type

    def _limit_words(self, bound: BoundCard, limit: Limit | None) -> str:
        if bound.tests:
            return limit_in_words(bound)
        return in_words("one_of", limit.value) if limit is not None else ""


def _verdict(bound: BoundCard, limit: Limit | None) -> str:
    """``unknown`` when the limit belongs to another release and going beyond it may do no harm."""
    if bound.card.verdict == "unknown":
        return "unknown"
    return "unknown" if limit is not None and limit.confidence == "inferred" and bound.severity != ERROR else "fail"


def _plain(observed: Any) -> LimitValue | None:
    return observed if isinstance(observed, (int, float, bool, str, tuple)) else None


def _tensor_name(layer: Layer, index: int) -> str:
    names = (*layer.inputs[: len(layer.spec.inputs)], *layer.outputs)
    return names[index] if 0 <= index < len(names) else ""


class Filler(NamedTuple):
    """Fills the placeholders of a card's sentences."""

    diagnosis: Diagnosis
    layer: Layer | None
    words: Mapping[str, str]

    def fill(self, template: str) -> str:
        """The sentence; what a placeholder names is looked up among the words at hand, the target, the limits, the quantities."""
        return _PLACEHOLDER.sub(lambda match: self._word(match.group(1)), template) if "{" in template else template

    def _word(self, name: str) -> str:
        if name in self.words:
            return self.words[name]
        rules = self.diagnosis.rules
        target = rules.target
        if name in rules.limits:
            return in_words("one_of", rules.limits[name].value)
        general = {
            "release": target.release,
            "soc": str(self.diagnosis.book.socs[target.soc]["name"]),
            "target": target.name,
            "reason": rules.reason_without_dla,
        }
        return general[name] if name in general else self._of_layer(name)

    def _of_layer(self, name: str) -> str:
        if self.layer is None:
            return ""
        spec = self.layer.spec
        if name in ("kind_why", "kind_instead"):
            return str(self.diagnosis.book.kinds.get(spec.kind, {}).get(name.removeprefix("kind_"), ""))
        if name not in QUANTITIES:
            return ""
        value = self.diagnosis.checker.measure(spec, QUANTITIES[name], self.diagnosis.rules)
        return "" if value is None or value is SKIP else value_in_words(value)


def beside(network: Network, groups: Sequence[Sequence[int]]) -> Iterator[tuple[int, str]]:
    """Reshapes that touch a slice or concatenation of their own group, with the kind they touch."""
    producers, consumers = network.producers(), network.consumers()
    reshapes = frozenset(index for index, layer in enumerate(network.layers) if _reshapes(layer.spec))
    for members in groups if reshapes else ():
        inside = frozenset(members)
        for index in members:
            if index not in reshapes:
                continue
            layer = network.layers[index]
            around = [producers[name] for name in layer.inputs if name in producers]
            around += [reader for name in layer.outputs for reader in consumers.get(name, ())]
            kinds = [network.layers[other].spec.kind for other in around if other in inside]
            found = next((kind for kind in kinds if kind in ("SLICE", "CONCATENATION")), None)
            if found is not None:
                yield index, found


def _reshapes(spec: LayerSpec) -> bool:
    if spec.kind != "SHUFFLE":
        return False
    moves = spec.params.get("moves")
    return isinstance(moves, tuple) and "reshape" in moves


def behind_gpu(network: Network, capable: Sequence[bool]) -> dict[int, int]:
    """Sums and products with a constant that read a layer on the GPU, and that layer. Source: build-dla-tutorial."""
    producers = network.producers()
    found: dict[int, int] = {}
    for index, layer in enumerate(network.layers):
        spec = layer.spec
        if spec.kind != "ELEMENTWISE" or not capable[index] or spec.params.get("op") not in ("SUM", "PROD") or len(spec.data) != 1:
            continue
        computed = [name for name, operand in zip(layer.inputs, spec.inputs, strict=False) if not operand.constant]
        source = producers.get(computed[0])
        if source is not None and (not capable[source] or source in found):
            found[index] = source
    return found
