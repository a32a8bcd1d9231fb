"""What a check found, with what the configuration says about it."""

from __future__ import annotations

from dlalint.cli.settings import Bound
from dlalint.config import Config
from dlalint.graphview import GraphView
from dlalint.measured import NOTHING, Measured
from dlalint.named_tuple import NamedTuple
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.selection import Selection


class Judged(NamedTuple):
    """An outcome as it is reported, as it was found, and the severity that makes it fail."""

    outcome: Outcome
    whole: Outcome
    fail_on: str


def judge(
    session: Session, view: GraphView, bound: Bound, config: Config, measured: Measured = NOTHING
) -> tuple[list[Judged], frozenset[int]]:
    """A model on its targets, and the numbers of the waivers that it needs."""
    found: list[Judged] = []
    used: frozenset[int] = frozenset()
    for target in bound.targets:
        outcome = whole = session.check(view, target, bound.others, measured)
        if bound.severity or config.waivers:
            from dlalint.waivers import reweighed, today, waive

            outcome, needed = waive(reweighed(whole, bound.severity), config, today())
            used |= needed
        found.append(Judged(_selected(outcome, bound.selection), whole, bound.fail_on))
    return found, used


def _selected(outcome: Outcome, selection: Selection) -> Outcome:
    """The outcome with the chosen findings, among those that count and among those that are waived."""
    chosen = selection.apply(outcome)
    if not outcome.waived:
        return chosen
    codes = {
        finding.code for finding in selection.apply(outcome._replace(findings=tuple(item.finding for item in outcome.waived))).findings
    }
    return chosen._replace(waived=tuple(item for item in outcome.waived if item.finding.code in codes))
