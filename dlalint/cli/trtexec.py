"""``dlalint trtexec``: the trtexec command that builds what was predicted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click

from dlalint.cli import output
from dlalint.cli.options import FILE, dimensions, one_target
from dlalint.cli.settings import opened, settled
from dlalint.engine.check import Checker
from dlalint.engine.memory import macs
from dlalint.errors import UsageError
from dlalint.named_tuple import NamedTuple
from dlalint.pipeline import Session
from dlalint.placement import place
from dlalint.plan import Outcome, Partition
from dlalint.report.layout import Row, Span, counted, size, spans, table, wrapped
from dlalint.report.to_json import cited
from dlalint.report.to_text import verdict_sentence
from dlalint.trtexec.coarser import Coarser, Cost, search
from dlalint.trtexec.command import Recipe, Request, recipe
from dlalint.trtexec.flags import Flags
from dlalint.trtexec.shell import Command, block, line

FORMATS = ("text", "json")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%?")
_MARK = {"full": "good", "partial": "warn", "none": "bad", "unknown": "warn"}


class Found(NamedTuple):
    """What there is to report. ``coarser`` is ``None`` when no coarser placement saves anything; ``used`` says that the command has it."""

    outcome: Outcome
    recipe: Recipe
    coarser: Coarser | None
    used: bool


@click.command("trtexec", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@one_target
@dimensions()
@click.option("--calibration", metavar="FILE", type=FILE, default="", help="A calibration cache with the INT8 scales.")
@click.option("--coarser", is_flag=True, help="Send small parts to the GPU where that saves crossings.")
@click.option("--max-moved", metavar="N%", default="2%", show_default=True, help="Multiplications that --coarser may take off the DLA.")
@click.option("--trtexec", "program", metavar="PATH", type=FILE, default="trtexec", show_default=True, help="How trtexec is called.")
@click.option("--plain", is_flag=True, help="Print the command and nothing else.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write to a file.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(
    model: str,
    calibration: str,
    coarser: bool,
    max_moved: str,
    program: str,
    plain: bool,
    form: str,
    path: str | None,
    no_color: bool,
    **given: Any,
) -> int:
    """Print the trtexec command that builds what `check` predicts for MODEL, with the reason of each flag.

    The flags are those of the target's TensorRT release.
    """
    if plain and form == "json":
        raise UsageError("--plain prints text", where="--format json", cure="Leave one of them out.", code="E505")
    most = _share(max_moved)
    with Session() as session:
        bound = settled(session.rules, model, **given)
        outcome = session.check(opened(session, model, bound), bound.target)
        flags = Flags(session.rules.trtexec, session.rules.sources, bound.target.trt)
        found = _find(session, outcome, flags, Request(program, calibration), most, coarser)
        sources = session.rules.sources
    if form == "json":
        output.write(json.dumps(_document(found, sources), ensure_ascii=True, indent=1) + "\n", path)
    elif plain:
        output.write("\n".join(block(found.recipe.commands[0], output.width())) + "\n", path)
    else:
        output.show(list(_rows(found, sources, output.width())), path, not no_color)
    return 0


def _share(text: str) -> float:
    found = _PERCENT.fullmatch(text.strip())
    if found is None or float(found[1]) > 100:
        raise UsageError(f"{text!r} is no share", where="--max-moved", cure="Give a percentage, for instance 2%.", code="E503")
    return float(found[1]) / 100


def _find(session: Session, outcome: Outcome, flags: Flags, request: Request, most: float, wanted: bool) -> Found:
    """The commands, with the coarser placement when it is wanted and saves something."""
    soc = session.rules.socs[outcome.target.soc]
    made = recipe(outcome, outcome.partition, flags, soc, request)
    coarser = None
    if flags.can_send_to_gpu(soc):
        rules, checker = session.rules.for_target(outcome.target), Checker()

        def simulate(barred: frozenset[int]) -> Partition:
            return place(outcome.network, rules, checker, barred).partition

        coarser = search(outcome, [macs(layer.spec) for layer in outcome.network.layers], simulate, flags.nameable, most)
    if wanted and coarser is not None:
        made = recipe(outcome, coarser.partition, flags, soc, request._replace(to_gpu=coarser.names))
    if flags.find("devices") is None:
        flag, why = flags.missing("devices")
        made = made._replace(omitted=(*made.omitted, (flag, why)))
    elif wanted and coarser is None:
        why = f"no part was found whose move to the GPU saves anything (at most {100 * most:g} % of the multiplications may move)"
        made = made._replace(omitted=(*made.omitted, ("--layerDeviceTypes", why)))
    return Found(outcome, made, coarser, wanted and coarser is not None)


# text


def _rows(found: Found, sources: Any, width: int) -> Iterator[Row]:
    outcome, columns = found.outcome, min(max(width, 60), 140)
    yield spans(Span(f"trtexec for {outcome.model.path} on {outcome.target.name}, {outcome.target.precision.upper()}", "title"))
    yield from wrapped(f"{outcome.verdict.upper()}: ", verdict_sentence(outcome), columns, _MARK[outcome.verdict])
    build, *others = found.recipe.commands
    yield ()
    yield from _block(build, columns)
    yield ()
    yield from table(["Flag", "why"], [[item.flag, item.why] for item in build.arguments], columns, frozenset())
    if found.recipe.omitted:
        yield ()
        yield from table(["Left out", "why"], [list(item) for item in found.recipe.omitted], columns, frozenset())
    for other in others:
        yield from ((), spans(Span(other.title, "title")), *_block(other, columns))
        if other.name == "standalone":
            yield from wrapped("  ", next(item.why for item in other.arguments if item.purpose == "standalone"), columns)
    if found.coarser is not None:
        yield ()
        yield from _coarser(found.coarser, found.used, columns)
    yield ()
    for note in found.recipe.notes:
        yield from wrapped("  - ", note, columns)
    yield from wrapped("  - ", f"Flags read from: {cited(found.recipe.source, sources)}", columns)
    yield ()


def _block(command: Command, columns: int) -> list[Row]:
    return [spans(Span(text, "code")) for text in block(command, columns)]


def _coarser(found: Coarser, used: bool, columns: int) -> Iterator[Row]:
    yield spans(
        Span("Coarser placement", "title"), Span("  (as in the command above)" if used else "  (--coarser adds it to the command)", "dim")
    )
    named = counted(len(found.names), "name")
    said = f"{named} in --layerDeviceTypes send {counted(found.layers, 'more layer')} to the GPU, so that less crosses."
    if found.over:
        said += f" They bar {counted(found.over, 'layer')} too that the limit leaves there, and that would take the place of the others."
    yield from wrapped("  ", f"{said} Predicted as the builder would place it:", columns)
    body = [
        [what, old, new] for what, old, new in zip(_MEASURES, _measured(found.before, found), _measured(found.after, found), strict=True)
    ]
    yield from table(["", "before", "after"], body, columns, frozenset({1}))


_MEASURES = ("loadables of candidates", "tensors that change device", "bytes that change device", "multiplications on the DLA")


def _measured(cost: Cost, found: Coarser) -> list[str]:
    share = f"{100 * cost.dla_macs / found.total_macs:.1f} %"
    return [f"{cost.loadables} of {cost.candidates}", str(cost.transitions), size(cost.boundary_bytes), share]


# JSON


def _document(found: Found, sources: Any) -> dict[str, Any]:
    outcome, made = found.outcome, found.recipe
    target = outcome.target
    return {
        "schema": 1,
        "model": {"path": outcome.model.path},
        "target": {"name": target.name, "trt": target.release, "soc": target.soc, "precision": target.precision},
        "verdict": outcome.verdict,
        "commands": [_command(item) for item in made.commands],
        "left_out": [{"flag": flag, "why": why} for flag, why in made.omitted],
        "coarser": None if found.coarser is None else _saving(found.coarser, found.used),
        "notes": list(made.notes),
        "source": cited(made.source, sources),
    }


def _command(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "line": line(command),
        "arguments": [command.program, *(item.text for item in command.arguments)],
        "flags": [
            {"flag": item.flag, "value": ",".join(item.parts) or None, "why": item.why, "since": item.since, "until": item.until or None}
            for item in command.arguments
        ],
    }


def _saving(found: Coarser, used: bool) -> dict[str, Any]:
    return {
        "used": used,
        "names": list(found.names),
        "layers_moved": found.layers,
        "layers_over_the_limit": found.over,
        "total_macs": found.total_macs,
        "before": found.before._asdict(),
        "after": found.after._asdict(),
    }
