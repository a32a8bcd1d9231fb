"""JUnit's XML: a suite for each model and target, a case for each rule that is broken."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import relative
from dlalint.report.escape import for_xml, shortened_name
from dlalint.report.grouping import Group, grouped
from dlalint.report.layout import listed
from dlalint.report.to_text import verdict_sentence

_SHOWN = 20


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """Errors are failures, warnings and notes are skipped cases, and a model that could not be checked is an error."""
    root = Element("testsuites", name="dlalint")
    for result in results:
        if isinstance(result, Failure):
            _broken(root, result)
        else:
            _suite(root, result)
    for key in ("tests", "failures", "errors"):  # the schema knows no "skipped" here
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(root: Element, outcome: Outcome) -> None:
    path = for_xml(relative(outcome.model.path))
    groups = grouped(outcome.findings)
    failed = sum(group.first.severity == ERROR for group in groups)
    suite = SubElement(root, "testsuite", name=f"{path} on {outcome.target.name}")
    for key, number in {"tests": len(groups) + 1, "failures": failed, "errors": 0, "skipped": len(groups) - failed}.items():
        suite.set(key, str(number))
    placement = SubElement(suite, "testcase", classname=path, name="placement")
    SubElement(placement, "system-out").text = for_xml(f"{outcome.verdict}: {verdict_sentence(outcome)}")
    for group in groups:
        first = group.first
        case = SubElement(suite, "testcase", classname=path, name=f"{first.code} {first.name}")
        message = for_xml(shortened_name(first.message, 600))
        if first.severity == ERROR:
            SubElement(case, "failure", message=message, type=first.name).text = _details(group)
        else:
            SubElement(case, "skipped", message=message)


def _details(group: Group) -> str:
    first = group.first
    nodes = listed([shortened_name(name) for name in group.nodes], _SHOWN) or "the model"
    return for_xml(f"{nodes}: {shortened_name(first.message, 600)}. {first.why} {first.fix}")


def _broken(root: Element, failure: Failure) -> None:
    path = for_xml(relative(failure.path))
    suite = SubElement(root, "testsuite", name=path, tests="1", failures="0", errors="1", skipped="0")
    case = SubElement(suite, "testcase", classname=path, name="placement")
    SubElement(case, "error", message=for_xml(f"{failure.what}. {failure.cure}"), type=failure.code)
