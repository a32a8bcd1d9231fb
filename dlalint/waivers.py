"""What the configuration says about findings: other severities, and which ones are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dlalint.accepted import Waived, Waiver
from dlalint.config import Config, matches, relative
from dlalint.finding import Finding
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome


def names(rules: str, finding: Finding) -> bool:
    """Whether ``rules``, codes, beginnings of codes or slugs with commas between them, name the rule of ``finding``."""
    return any(finding.code.startswith(rule.strip().upper()) or finding.name == rule.strip() for rule in rules.split(","))


def reweighed(outcome: Outcome, severity: Mapping[str, str]) -> Outcome:
    """The outcome with other severities, by rule; of two that name a rule the later one holds."""

    def changed(finding: Finding) -> Finding:
        found = [value for rule, value in severity.items() if names(rule, finding)]
        return finding._replace(severity=found[-1]) if found else finding

    return outcome._replace(findings=tuple(map(changed, outcome.findings))) if severity else outcome


class Applied(NamedTuple):
    """An outcome without the findings that are waived, and the numbers of the waivers that a finding was found for."""

    outcome: Outcome
    used: frozenset[int]


def waive(outcome: Outcome, config: Config, today: str) -> Applied:
    """Set aside the findings that a waiver names, and those that only follow from them. A waiver past its last day sets nothing aside."""
    place = relative(config, outcome.model.path)
    waivers = [(number, waiver) for number, waiver in enumerate(config.waivers) if matches(place, [waiver.model])]
    findings = outcome.findings
    named = [[pair for pair in waivers if _holds(pair[1], finding)] for finding in findings]
    used = frozenset(number for pairs in named for number, _ in pairs)
    valid = [next((waiver for _, waiver in pairs if not _over(waiver, today)), None) for pairs in named]
    chosen = [next((valid[link] for link in _chain(findings, index) if valid[link]), None) for index in range(len(findings))]
    kept = [index for index, waiver in enumerate(chosen) if waiver is None]
    waived = tuple(
        Waived(finding._replace(cause=None), waiver.reason, waiver.expires)
        for finding, waiver in zip(findings, chosen, strict=True)
        if waiver is not None
    )
    return Applied(outcome.keeping(kept)._replace(waived=waived), used)


def _holds(waiver: Waiver, finding: Finding) -> bool:
    return names(waiver.rule, finding) and (waiver.node == "*" or matches(finding.node or finding.tensor, [waiver.node]))


def _over(waiver: Waiver, today: str) -> bool:
    return bool(waiver.expires) and waiver.expires < today


def _chain(findings: Sequence[Finding], index: int) -> Iterator[int]:
    """A finding and the ones it follows from."""
    seen: set[int] = set()
    found: int | None = index
    while found is not None and found not in seen:
        yield found
        seen.add(found)
        found = findings[found].cause


def remarks(config: Config, used: frozenset[int], models: Sequence[str], today: str) -> Iterator[str]:
    """What to say about waivers: those past their day that findings were found for, and those that no finding needs.

    A waiver for models of which none was checked is not spoken of.
    """
    places = [relative(config, model) for model in models]
    for number, waiver in enumerate(config.waivers):
        about = f"{config.path}: waiver {number + 1} ({waiver.rule}, node {waiver.node})"
        if number in used and _over(waiver, today):
            yield f"{about} expired on {waiver.expires}, its findings count again. Mend them or renew it."
        elif number not in used and any(matches(place, [waiver.model]) for place in places):
            yield f"{about} is unused, nothing it names was found. Remove it."


def today() -> str:
    """The date of today, as waivers write theirs."""
    from time import strftime

    return strftime("%Y-%m-%d")
