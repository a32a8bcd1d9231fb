"""What rewriting did, for people: before and after, the rewrites, what was tried in vain, what remains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlalint.calibration.kept import Placed
from dlalint.changes import MISS, Attempt, Change, Offer, Proof, Rewritten, gpu_helpers
from dlalint.finding import ERROR
from dlalint.plan import Outcome
from dlalint.report.cache_text import cache_rows
from dlalint.report.grouping import grouped
from dlalint.report.layout import Row, Span, counted, listed, size, spans, table, wrapped

EXACTNESS = {"exact": "bit-equal", "rounding": "equal up to rounding", "approximate": "approximate"}
_SHOWN = 6


def to_text(
    found: Rewritten, proof: Proof | None, note: str, width: int, *, verbose: bool = False, kept: Placed | None = None
) -> list[Row]:
    """The report as lines; ``note`` says where the result went, ``kept`` is the cache that was kept in step."""
    width = min(max(width, 60), 140)
    shown = 1_000_000 if verbose else _SHOWN
    before, after = found.before, found.after
    rows = [spans(Span(f"{before.model.path} on {before.target.name}, {before.target.precision.upper()}", "title"))]
    rows += wrapped("", sentence(found), width, "good" if not after.summary.gpu_nodes and not after.summary.unknown_nodes else "warn")
    sections: list[list[Row]] = []
    if found.changes:
        sections.append(table(["", "before", "after", ""], list(_numbers(before, after)), width, frozenset({1, 2})))
        sections.append([spans(Span("Rewrites", "title")), *_changes(found.changes, width, shown)])
    undone = [item for item in found.attempts if verbose or not item.reason.startswith(MISS)]
    if undone:
        sections.append([spans(Span("Tried in vain", "title")), *_attempts(undone, width, shown)])
    remains = list(_remains(after, width, shown))
    if remains:
        missed = len({item.rewrite for item in found.attempts}) - len({item.rewrite for item in undone})
        hint = f"  ({counted(missed, 'more rewrite')} {'was' if missed == 1 else 'were'} looked at: -v says why not)" if missed > 0 else ""
        sections.append([spans(Span("What remains on the GPU", "title"), Span(hint, "dim")), *remains])
    if found.offers:
        sections.append(
            [spans(Span("Approximate rewrites, tried with --allow-approximate", "title")), *_offers(found.offers, width, shown)]
        )
    if proof is not None:
        sections.append(list(wrapped("Proof  ", proof_sentence(proof), width, "good" if proof.ok else "bad")))
    elif any(change.error is not None for change in found.changes):
        said = "each rewrite by itself. The whole model has side files, and is proven when it is written beside them."
        sections.append(list(wrapped("Proof  ", said, width)))
    if kept is not None:
        sections.append(list(cache_rows(kept, width, shown)))
    if note:
        sections.append(list(wrapped("", note, width)))
    for section in sections:
        rows += [(), *section]
    return rows


def sentence(found: Rewritten) -> str:
    """The result in one sentence."""
    before, after = found.before.summary, found.after.summary
    if not found.changes:
        return f"UNCHANGED: no rewrite makes the placement better; {counted(before.gpu_nodes, 'node')} on the GPU."
    verdict = "FULL" if found.after.verdict == "full" else "BETTER"
    left = after.gpu_nodes + after.unknown_nodes
    loadables = counted(after.loadables, "loadable")
    over = [item.candidates - item.loadables for item in (before, after)]
    more = f", {counted(over[1], 'group')} of layers over their limit (before {over[0]})" if over[0] else ""
    return (
        f"{verdict}: {counted(len(found.changes), 'rewrite')} {'leaves' if len(found.changes) == 1 else 'leave'} {counted(left, 'node')}"
        f" on the GPU (before {before.gpu_nodes + before.unknown_nodes}), {loadables} (before {before.loadables}){more}."
    )


def _numbers(before: Outcome, after: Outcome) -> Iterator[list[str]]:
    old, new = before.summary, after.summary
    yield ["nodes on the DLA", str(old.dla_nodes), str(new.dla_nodes), ""]
    yield ["nodes on the GPU", str(old.gpu_nodes + old.unknown_nodes), str(new.gpu_nodes + new.unknown_nodes), ""]
    yield ["reshapes for others", str(gpu_helpers(before)), str(gpu_helpers(after)), "on the GPU"]
    over = f"over the limit: {old.candidates - old.loadables} before, {new.candidates - new.loadables} after"
    yield ["loadables", str(old.loadables), str(new.loadables), over if old.candidates > old.loadables else ""]
    yield ["bytes that cross", size(old.boundary_bytes), size(new.boundary_bytes), ""]
    macs = [outcome.summary.dla_macs + outcome.summary.gpu_macs for outcome in (before, after)]
    yield ["multiplications", *(_millions(count) for count in macs), ""]
    yield ["weights on the DLA", size(old.weight_bytes), size(new.weight_bytes), ""]
    counts = [_by_rule(outcome) for outcome in (before, after)]
    for rule in dict.fromkeys((*counts[0], *counts[1])):
        yield [rule, str(counts[0].get(rule, 0)), str(counts[1].get(rule, 0)), ""]


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} G" if count >= 1e9 else f"{count / 1e6:.1f} M"


def _by_rule(outcome: Outcome) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in outcome.findings:
        if finding.severity == ERROR:
            rule = f"{finding.code} {finding.name}"
            counts[rule] = counts.get(rule, 0) + 1
    return dict(sorted(counts.items()))


def _changes(changes: Sequence[Change], width: int, shown: int) -> Iterator[Row]:
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.rewrite, []).append(change)
    for name, members in groups.items():
        errors = [change.error for change in members if change.error is not None]
        measured = f", largest error {max(errors):.1e}" if errors and max(errors) > 0 else ""
        unproven = "" if len(errors) == len(members) else ", proven with the whole model"
        how = f"{EXACTNESS[members[0].exactness]}{measured}{unproven}"
        yield spans("  ", Span(name, "code"), Span(f"  {counted(len(members), 'place')}, {how}", "dim"))
        places = [_place(change.nodes) for change in members]
        yield from wrapped("    ", listed(places, shown), width)


def _place(nodes: Sequence[str]) -> str:
    return " + ".join(nodes) if len(nodes) <= 3 else f"{nodes[0]} ... {nodes[-1]} ({counted(len(nodes), 'node')})"


def _attempts(attempts: Sequence[Attempt], width: int, shown: int) -> Iterator[Row]:
    groups: dict[tuple[str, str], list[str]] = {}
    for item in attempts:
        groups.setdefault((item.rewrite, item.reason), []).append(item.node)
    for (rewrite, reason), nodes in groups.items():
        yield from wrapped(f"  {rewrite}  ", f"{reason} ({listed(nodes, shown)})", width)


def _offers(offers: Sequence[Offer], width: int, shown: int) -> Iterator[Row]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for item in offers:
        groups.setdefault(item.nodes, []).append(item.rewrite)
    for nodes, names in groups.items():
        yield from wrapped(f"  {' or '.join(names)}  ", f"{counted(len(nodes), 'place')} ({listed(nodes, shown)})", width)


def _remains(after: Outcome, width: int, shown: int) -> Iterator[Row]:
    for group in grouped(after.findings):
        first = group.first
        if first.severity == ERROR:
            where = f" ({listed(group.nodes, shown)})" if group.nodes else ""
            yield from wrapped(f"  {first.code} {first.name}  ", f"{first.message}{where}. {first.fix}", width)


def proof_sentence(proof: Proof) -> str:
    """The proof of the whole model in one sentence, or in two when it says little on some inputs."""
    if not proof.ok:
        return f"FAILED on {_sets(proof.sets)}: {proof.first} differs first, largest error {proof.error:.1e} of the largest output."
    own = f"its outputs move by {proof.unrest:.1e} of the largest when its inputs move by their rounding"
    steady = [label for label in proof.sets if label not in proof.unsteady]
    if not steady:
        return (
            f"original and result agree on {_sets(proof.sets)} as far as the original agrees with itself: {own}, those of the result are"
            f" off by {proof.error:.1e}. Each rewrite holds by itself."
        )
    said = f"original and result agree on {_sets(steady)}, largest error {proof.error:.1e} of the largest output."
    if not proof.unsteady:
        return said
    return f"{said} On {_sets(proof.unsteady)} the original does not agree with itself: {own}. Each rewrite holds by itself."


def _sets(labels: Sequence[str]) -> str:
    return f"{counted(len(labels), 'set')} of inputs ({', '.join(labels)})"


def summary(outcome: Outcome) -> Mapping[str, Any]:
    """The numbers of one side, for JSON."""
    macs = outcome.summary.dla_macs + outcome.summary.gpu_macs
    return {"verdict": outcome.verdict, **outcome.summary._asdict(), "macs": macs, "findings": _by_rule(outcome)}
