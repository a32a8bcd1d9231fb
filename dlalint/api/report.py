"""What the functions of the interface return."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.finding import ERROR, Finding
from dlalint.plan import Line, NodePlacement, Outcome, Segment, Summary
from dlalint.report.formats import FORMATS, render
from dlalint.target import Target

if TYPE_CHECKING:
    from dlalint.changes import Attempt, Change, Proof


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What :func:`dlalint.check` found out about one model on one target.

    ``outcome`` holds all of it, down to the layers; its form may change between versions, what is named here only with a major one.
    """

    outcome: Outcome
    rules: RuleSet = field(repr=False)

    @property
    def path(self) -> str:
        """The path of the model as it was given."""
        return self.outcome.model.path

    @property
    def target(self) -> Target:
        """What it is built for."""
        return self.outcome.target

    @property
    def verdict(self) -> str:
        """``full`` (every node on the DLA), ``partial``, ``none`` or ``unknown``."""
        return self.outcome.verdict

    @property
    def ok(self) -> bool:
        """Whether no finding is an error: the exit code of ``dlalint check`` would be 0."""
        return all(finding.severity != ERROR for finding in self.outcome.findings)

    @property
    def summary(self) -> Summary:
        """Nodes and multiplications by device, loadables, bytes that cross, bytes of weights."""
        return self.outcome.summary

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, by node and code. Titles and addresses of their sources are in :meth:`to_dict`."""
        return self.outcome.findings

    @property
    def nodes(self) -> tuple[NodePlacement, ...]:
        """Where each node of the model ends, in the order of the graph."""
        return tuple(self.outcome.nodes)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The loadables and what runs on the GPU around them, in an order in which they can run."""
        return self.outcome.partition.segments

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What could not be checked, in sentences."""
        return self.outcome.unchecked

    @property
    def others(self) -> tuple[Line, ...]:
        """The placement on the other targets that were asked for."""
        return self.outcome.others

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, in the form of ``dlalint check --format json``."""
        found: dict[str, Any] = json.loads(self.to_json())
        return found

    def to_json(self) -> str:
        """The same as JSON."""
        return self.render("json")

    def to_text(self, width: int = 100, *, verbose: bool = False) -> str:
        """The report for people in ``width`` columns, without colours; ``verbose`` cuts no list."""
        return render("text", [self.outcome], self.rules, width=width, verbose=verbose)

    def to_html(self) -> str:
        """A page of its own, with a picture to search and click."""
        return self.render("html")

    def render(self, form: str) -> str:
        """The report in any format of ``dlalint check``: text, json, sarif, junit, github, gitlab, markdown, csv or html.

        Raises :class:`dlalint.DlalintError` when there is no such format.
        """
        if form not in FORMATS:
            raise UsageError(f"{form!r} is no format", cure=f"Give one of {', '.join(FORMATS)}.", code="E509")
        return render(form, [self.outcome], self.rules)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        from dlalint.report.picture import label

        summary = self.summary
        placed = f"{summary.dla_nodes} of {summary.nodes - summary.folded_nodes} nodes on the DLA"
        return f"<dlalint.Report {label(self.path)} on {self.target.name}, {self.target.precision.upper()}: {self.verdict}, {placed}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the root causes."""
        from dlalint.report.notebook import summary

        return summary(self.outcome)


@dataclass(frozen=True, slots=True, eq=False)
class Fix:
    """What :func:`dlalint.fix` did. ``output`` is the file it wrote, empty when nothing got better, nothing was asked to be written, or
    the proof failed; then ``proof.ok`` is false.
    """

    before: Report
    after: Report
    changes: Sequence[Change]
    attempts: Sequence[Attempt]
    proof: Proof | None
    output: str


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What :func:`dlalint.mark_outputs` did: the names of the tensors that became outputs, and those that were outputs already.

    ``command`` is the trtexec call that dumps them, ``dropped`` counts the nodes that went with other outputs.
    """

    before: Report
    after: Report
    tensors: Sequence[str]
    already: Sequence[str]
    dropped: int
    command: str
    output: str
