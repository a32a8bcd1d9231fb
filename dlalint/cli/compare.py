"""``dlalint compare``: the prediction against what TensorRT really did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dlalint.cli import output
from dlalint.cli.build_target import choose
from dlalint.cli.options import FILE, dimensions, one_target
from dlalint.cli.settings import Bound, blaming, settled
from dlalint.engine import store
from dlalint.engine.check import Checker
from dlalint.engine.registry import SKIP
from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.graphview import GraphView
from dlalint.model.inputs import Overrides
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.report.escape import shortened_name
from dlalint.trtexec.agreement import agreement
from dlalint.trtexec.arrange import Case, arranged
from dlalint.trtexec.asked import asked
from dlalint.trtexec.claims import Told, told
from dlalint.trtexec.compare import compare
from dlalint.trtexec.contrast import Checked
from dlalint.trtexec.correction import Book, groups
from dlalint.trtexec.joining import Names, Paths
from dlalint.trtexec.node_times import loadable_times, measured
from dlalint.trtexec.observed import LogError, Observed
from dlalint.trtexec.read import read
from dlalint.trtexec.result import Compared
from dlalint.trtexec.story import story

FORMATS = ("text", "json")


@click.command("compare", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option("--log", "logs", multiple=True, metavar="FILE", type=FILE, help="The build log, best with --verbose.")
@click.option("--layer-info", "infos", multiple=True, metavar="FILE", type=FILE, help="What --exportLayerInfo wrote.")
@click.option("--profile", "profiles", multiple=True, metavar="FILE", type=FILE, help="What --dumpProfile or --exportProfile wrote.")
@one_target
@dimensions()
@click.option("--write-case", "folder", metavar="DIR", type=FILE, help="Save the build as a test case.")
@click.option("--hash-names", is_flag=True, help="Hash all names in the test case.")
@click.option("--source", metavar="TEXT", default="", help="Where the build of the test case is from.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write the report to a file.")
@click.option("-v", "--verbose", is_flag=True, help="Show every node, and cut no list.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(
    model: str,
    logs: tuple[str, ...],
    infos: tuple[str, ...],
    profiles: tuple[str, ...],
    folder: str | None,
    hash_names: bool,
    source: str,
    form: str,
    path: str | None,
    verbose: bool,
    no_color: bool,
    **given: Any,
) -> int:
    """Hold the prediction for MODEL against what TensorRT did, by the files of one build.

    Each node's predicted device beside the real one, how far they agree by rule and operator, and for every difference the rule, the log's
    own reason and what the rule data would have to say. Release, SoC and precision are read from the files where they say them. Ends with
    0 when all agree, 1 when something differs, 2 when it cannot be told.

    --write-case saves the model without weights and the real devices, DIR/graphs/*.onnx and DIR/builds/*.json. That is the form of
    tests/cases in the sources of dlalint: with that folder as DIR, or the two files copied there, `python tests/cases/score.py` scores the
    build with the others.
    """
    if (hash_names or source) and folder is None:
        raise UsageError("there is no test case to write", where="--hash-names", cure="Give --write-case DIR too.", code="E540")
    parts = [read(file) for file in (*logs, *infos, *profiles)]
    case = _one(parts)
    with Session() as session:
        found, view = _compared(session, case, model, settled(session.rules, model, **given))
        if folder is not None:
            from dlalint.cli.case import write_case

            write_case(session, found, view, folder, source, hashed=hash_names)
    _report(found, parts, form, path, verbose, not no_color)
    return 0 if found.found.agrees else 1


def _one(parts: Sequence[Observed]) -> Case:
    """The engine of the files; times that were only measured while building are kept apart from a run's."""
    if not parts:
        raise UsageError("no file of the build is given", where="--log", cure="Give --log, --layer-info or --profile.", code="E540")
    found = arranged(parts)
    if found.compared:
        raise LogError("two profiles are given", where=parts[-1].path, cure="Give the files of one build.", code="E137")
    return found.cases[0]


def _compared(session: Session, case: Case, model: str, bound: Bound) -> tuple[Compared, GraphView]:
    engine = case.engine
    said = asked(engine)
    chosen = choose(said, session.rules, bound.effective)
    fixed = _unless_logged(bound, {name for name, _ in said.shapes})
    with blaming(bound, model):
        view = session.view(model, fixed)
    wanted = {key: dims for key, dims in said.shapes if key in view.dynamic and key not in fixed.shapes}
    if wanted and fixed.batch is None:
        view = session.view(model, Overrides({**fixed.shapes, **wanted}))
        chosen = chosen._replace(said=(*chosen.said, "the shapes of inputs by the command in the log"))
    outcome = session.check(view, chosen.target)
    build = engine.build
    names = Names(outcome, build.registered if build is not None else {})
    profile = case.profile if case.profile is not None and case.profile.form != "autotuning" else None
    evidence = told(engine, profile)
    if not evidence.asked:
        raise _unasked(evidence, engine.paths[0])
    paths = Paths(outcome, view.calls)
    found = compare(outcome, evidence, names, paths, build)
    tale = story(case)
    grouped = groups(found, book_of(session.rules, outcome), Measurer(session.rules, outcome))
    result = Compared(
        found,
        agreement(found),
        grouped,
        measured(tale, names, paths),
        loadable_times(tale),
        tale,
        chosen.said,
        _file(outcome.target.release),
    )
    return result, view


def _unasked(evidence: Told, path: str) -> LogError:
    vague = next((claim.layer for claim in evidence.claims if not claim.device), "")
    what = "no file shows that the engine was built for the DLA"
    if vague:
        what += f": {shortened_name(vague, 80)} can be a loadable or GPU code of Myelin"
    cure = "Give the log of a build with --useDLACore, or layer information with --profilingVerbosity=detailed."
    return LogError(what, where=path, cure=cure, code="E139")


def _unless_logged(bound: Bound, logged: set[str]) -> Overrides:
    """What is fixed, without what the configuration says of shapes that the log knows."""
    given = bound.given.get("shapes", {})
    shapes = {name: dims for name, dims in bound.fixed.shapes.items() if name in given or name not in logged}
    return Overrides(shapes, bound.fixed.batch if "batch" in bound.given or not logged else None)


def book_of(rules: RuleSet, outcome: Outcome) -> Book:
    """The limits of the target, and which of them each card is named for."""
    return Book(rules.for_target(outcome.target).limits, {card.code: card.limit for card in rules.cards if card.limit})


class Measurer:
    """Measures what the cards compare for each layer of the predicted network."""

    def __init__(self, rules: RuleSet, outcome: Outcome) -> None:
        self._rules = rules.for_target(outcome.target)
        self._layers = outcome.network.layers
        self._checker = Checker()

    def __call__(self, index: int) -> Sequence[Checked]:
        """The limits that judge layer ``index``, with its values; what cannot be known or does not apply is left out."""
        spec = self._layers[index].spec
        tests = [test for bound in self._rules.cards_for(spec.kind) for test in bound.tests]
        values = [(test, self._checker.measure(spec, test.quantity, self._rules)) for test in tests]
        return [Checked(test.limit, test.predicate, value) for test, value in values if value is not SKIP and value is not None]


def _file(release: str) -> str:
    """The file of rule data that states ``release``."""
    tables = store.read(store.locate()).tables
    return next((f"rules/{name}.toml" for name, table in tables.items() if release in table.get("releases", ())), "rules/limits")


def _report(found: Compared, parts: Sequence[Observed], form: str, path: str | None, verbose: bool, color: bool) -> None:
    if form == "json":
        from dlalint.report.compare_json import to_json

        output.write(to_json(found, parts), path)
        return
    from dlalint.report.compare_text import to_text

    output.show(list(to_text(found, parts, output.width(), verbose=verbose)), path, color)
