"""The loop of `fix`: where a finding names a rewrite, try it, prove it, check the model again, and keep what made it better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from onnx import ModelProto

from dlalint.changes import MISS, Attempt, Change, Offer, Rewritten, gpu_helpers
from dlalint.finding import ERROR
from dlalint.graphview import GraphView
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome
from dlalint.rewrite.applying import Batch, apply
from dlalint.rewrite.base import Miss, Replacement, Rewrite
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

MAX_ROUNDS = 12
FREE_MACS = 10_000_000  # a DLA does them in microseconds: a model with next to no convolution may get one
MAX_SINGLE = 64  # sites that are tried one by one when a rewrite does not help at all of them together

Check = Callable[[ModelProto], "tuple[GraphView, Outcome]"]
Prove = Callable[[Graph, Rewrite, Replacement], "tuple[float | None, str]"]


class Limits(NamedTuple):
    """``extra_macs`` is how many multiplications a rewritten model may have more, as a part of those it had."""

    extra_macs: float = 1.0


class _State(NamedTuple):
    graph: Graph
    outcome: Outcome


class Driver:
    """Rewrites one model. ``check`` views and checks a candidate; ``prove`` returns the error of a replacement, or why it is refused.

    ``unasked`` are rewrites that are not tried; where they would apply in the end is told.
    """

    def __init__(self, rewrites: Sequence[Rewrite], check: Check, prove: Prove, limits: Limits, unasked: Sequence[Rewrite] = ()) -> None:
        self._rewrites = rewrites
        self._unasked = unasked
        self._check = check
        self._prove = prove
        self._limits = limits
        self._changes: list[Change] = []
        self._attempts: dict[tuple[str, str], str] = {}
        self._macs = 0

    def run(self, proto: ModelProto, weights: Weights) -> tuple[ModelProto, Rewritten]:
        """The rewritten model, and what was done. ``weights`` has those that ``proto`` lacks."""
        view, before = self._check(proto)
        self._macs = _macs(before)
        state = _State(Graph(proto, view, weights, before.target.trt), before)
        for _ in range(MAX_ROUNDS):
            changed = False
            for rewrite in self._rewrites:
                better = self._try(state, rewrite)
                if better is not None:
                    state, changed = better, True
            if not changed:
                break
        attempts = tuple(self._vain(state.outcome))
        return state.graph.proto, Rewritten(before, state.outcome, tuple(self._changes), attempts, tuple(self._offers(state)))

    def _offers(self, state: _State) -> Iterator[Offer]:
        for rewrite in self._unasked:
            sites = self._sites(state, rewrite)
            if sites:
                yield Offer(rewrite.name, tuple(node for node, _ in sites))

    def _vain(self, outcome: Outcome) -> Iterator[Attempt]:
        """What was tried without result, as far as it tells why something is still on the GPU."""
        open_ends = {(name, item.node) for item in outcome.findings if item.severity == ERROR for name in item.rewrites}
        for (rewrite, node), reason in self._attempts.items():
            if (rewrite, node) in open_ends or not reason.startswith(MISS):
                yield Attempt(rewrite, node, reason)

    def _try(self, state: _State, rewrite: Rewrite) -> _State | None:
        """``state`` with ``rewrite`` wherever it helps, ``None`` when it helps nowhere."""
        sites = self._sites(state, rewrite)
        if not sites:
            return None
        together = self._keep(state, rewrite, sites, explain=len(sites) == 1)
        if together is not None or len(sites) == 1:
            return together
        found: _State | None = None
        for node, _ in sites[:MAX_SINGLE]:
            current = found or state
            single = [site for site in self._sites(current, rewrite) if site[0] == node]
            better = self._keep(current, rewrite, single, explain=True) if single else None
            found = better or found
        return found

    def _sites(self, state: _State, rewrite: Rewrite) -> list[tuple[str, Replacement]]:
        """The nodes with a finding that names the rewrite, and what it would put in their place."""
        batch = Batch(state.graph)
        found = []
        ids = {node.number: node.id for node in state.outcome.nodes}
        for index in _named(state.outcome, rewrite.name):
            if state.graph.nodes[index].op_type not in rewrite.operators or state.graph.nodes[index].domain not in ("", "ai.onnx"):
                continue
            if batch.replaces(index):
                continue
            planned = rewrite.plan(state.graph, index)
            if isinstance(planned, Miss):
                self._attempts.setdefault((rewrite.name, ids[index]), f"{MISS}{planned}")
            elif batch.take(planned):
                found.append((ids[index], planned))
        return found

    def _keep(self, state: _State, rewrite: Rewrite, sites: Sequence[tuple[str, Replacement]], *, explain: bool) -> _State | None:
        better = self._better(state, rewrite, sites, explain=explain)
        if better is None:  # a proof takes longer than a check
            return None
        proven: list[tuple[str, Replacement]] = []
        errors: dict[str, float | None] = {}
        for node, replacement in sites:
            errors[node], refusal = self._prove(state.graph, rewrite, replacement)
            if refusal:
                self._attempts[rewrite.name, node] = refusal
            else:
                proven.append((node, replacement))
        if len(proven) < len(sites):
            better = self._better(state, rewrite, proven, explain=explain) if proven else None
        if better is None:
            return None
        ids = {node.number: node.id for node in state.outcome.nodes}
        for node, replacement in proven:
            self._attempts.pop((rewrite.name, node), None)
            made = tuple(item.name for item in replacement.nodes)
            replaced = tuple(ids[index] for index in replacement.remove)
            self._changes.append(Change(rewrite.name, rewrite.exactness, replaced, made, errors[node]))
        return better

    def _better(self, state: _State, rewrite: Rewrite, sites: Sequence[tuple[str, Replacement]], *, explain: bool) -> _State | None:
        """``state`` with the replacements, ``None`` when the placement gets no better."""
        proto = apply(state.graph, [replacement for _, replacement in sites])
        view, outcome = self._check(proto)
        worse = self._worse(state.outcome, outcome, strict=len(sites) > 1)
        if worse:
            if explain:
                self._attempts.update({(rewrite.name, node): f"undone: {worse}" for node, _ in sites})
            return None
        return _State(Graph(proto, view, state.graph.weights, outcome.target.trt), outcome)

    def _worse(self, old: Outcome, new: Outcome, *, strict: bool) -> str:
        """Why ``new`` is no improvement; empty when it is one. A single change may bring a finding when it takes more away."""
        extra = _macs(new) - self._macs
        if extra > max(self._limits.extra_macs * self._macs, FREE_MACS):
            return f"it adds {extra / max(self._macs, 1):.0%} of the model's multiplications"
        before, after = _errors(old), _errors(new)
        grown = next((code for code in after if after[code] > before.get(code, 0)), "")
        if grown and (strict or _faults(new) >= _faults(old)):
            return f"another finding takes its place ({grown})"
        if _measure(new) >= _measure(old):
            return "the placement gets no better"
        return ""


def _named(outcome: Outcome, rewrite: str) -> list[int]:
    """The nodes with a finding that names ``rewrite``, in the order of the graph."""
    found = {item.node_index for item in outcome.findings if rewrite in item.rewrites and item.node_index >= 0}
    return sorted(found)


def _errors(outcome: Outcome) -> dict[str, int]:
    """How often each rule sends something to the GPU."""
    counts: dict[str, int] = {}
    for finding in outcome.findings:
        if finding.severity == ERROR and finding.cause is None:
            counts[f"{finding.code} {finding.name}"] = counts.get(f"{finding.code} {finding.name}", 0) + 1
    return counts


def _faults(outcome: Outcome) -> int:
    """The findings that cost work on the GPU: errors, and notes about what a rewrite could mend."""
    return sum(finding.cause is None and (finding.severity == ERROR or bool(finding.rewrites)) for finding in outcome.findings)


def _measure(outcome: Outcome) -> tuple[int, int, int]:
    """What counts, the smaller the better: work off the DLA, loadables with those over the limit, bytes that cross."""
    summary = outcome.summary
    return summary.gpu_nodes + summary.unknown_nodes + gpu_helpers(outcome), summary.candidates, summary.boundary_bytes


def _macs(outcome: Outcome) -> int:
    return outcome.summary.dla_macs + outcome.summary.gpu_macs
