"""The limits of all targets against a table that was read by people, and the sources against what cites them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlalint.engine import store
from dlalint.engine.limits import CONFIDENCES, INFERRED, LimitFiles
from dlalint.engine.predicates import NUMERIC
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR, WARNING

Row = dict[str, str]


def test_every_limit_is_as_in_the_golden_table(book: RuleSet, golden: list[Row], table: dict[str, Any]) -> None:
    wanted = [tuple(row.values()) for row in golden]
    found = list(table["rows"](book))
    assert set(found) ^ set(wanted) == set(), "run tests/rules/write_golden.py and read the diff"
    assert found == wanted


def test_a_number_is_an_error_only_where_its_release_states_it(book: RuleSet, golden: list[Row]) -> None:
    """Beyond a number that was taken from another release lies a risk, not a refusal; nothing is certain on a system without limits."""
    numeric = {card.tests[0].limit for card in book.cards if card.tests and card.severity == ERROR and card.tests[0].predicate in NUMERIC}
    wrong = [
        (row["target"], row["limit"])
        for row in golden
        if row["limit"] in numeric
        and row["beyond"] != (WARNING if row["confidence"] == INFERRED or row["target"].startswith("woa") else ERROR)
    ]
    assert numeric
    assert wrong == []


def _statements(tables: dict[str, store.Table]) -> Iterator[tuple[str, tuple[str, ...], str, str, str]]:
    """File, path of the part in it, confidence, source, limit."""
    for name, file in tables.items():
        if not name.startswith("limits/"):
            continue
        parts: list[tuple[tuple[str, ...], Any]] = [((), file), *((("soc", soc), part) for soc, part in file.get("soc", {}).items())]
        for path, part in parts:
            for confidence in CONFIDENCES:
                for source, limits in part.get(confidence, {}).items():
                    yield from ((name, path, confidence, source, limit) for limit in limits)


def test_no_stated_limit_is_without_effect(rules_folder: Path) -> None:
    """Each statement decides what its own release says: one that another statement of the same file hides is dead data."""
    tables = store.read(str(rules_folder)).tables
    socs = tables["index"]["releases"]
    statements = list(_statements(tables))
    dead = []
    for name, path, confidence, source, limit in statements:
        changed = copy.deepcopy(tables[name])
        part: Any = changed
        for key in path:
            part = part[key]
        part[confidence][source][limit] = "changed"
        files = LimitFiles({**tables, name: changed}, checked=True)
        release = changed["releases"][0]
        on = [soc for soc in socs if release in socs[soc] and path in ((), ("soc", soc))]
        if not any(files.resolve(release, soc).values[limit].value == "changed" for soc in on):
            dead.append((name, *path, confidence, source, limit))
    assert len(statements) > 100
    assert dead == []


def _strings(value: Any) -> Iterator[str]:
    """Every key and every string in a table."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def test_every_source_is_cited(rules_folder: Path) -> None:
    tables = store.read(str(rules_folder)).tables
    cited = {text for name, table in tables.items() if name != "sources" for text in _strings(table)}
    assert set(tables["sources"]) <= cited


def test_index_parser_and_socs_cite_what_exists(rules_folder: Path) -> None:
    tables = store.read(str(rules_folder)).tables
    named = {gap["source"] for gap in tables["index"]["without_dla"]} | {tables["parser"]["source"]}
    named |= {table["source"] for name, table in tables.items() if name.startswith("socs/")}
    assert named - set(tables["sources"]) == set()
