"""``dlalint check``: lint models and predict their placement."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.formats import Look, Wanted, wanted, write
from dlalint.cli.judging import Judged, judge
from dlalint.cli.options import FILE, dimensions, inputs, int8, look, some_targets
from dlalint.cli.progress import progress
from dlalint.cli.range_inputs import Meter
from dlalint.cli.scales import fits, fits_fp16, known
from dlalint.cli.settings import bind, from_command_line, opened, read_config
from dlalint.config import Config
from dlalint.errors import DlalintError, UsageError
from dlalint.finding import SEVERITIES
from dlalint.measured import Measured
from dlalint.model.kinds import Effort
from dlalint.model.load import find_models
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.escape import for_terminal
from dlalint.report.formats import FORMATS
from dlalint.worker import MEMORY_BYTES, TIMEOUT_SECONDS, Worker

if TYPE_CHECKING:
    from dlalint.accepted import Known
    from dlalint.engine.ruleset import RuleSet

_PATIENCE = 0.5  # seconds until it is told how far it has come


@click.command("check", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=FILE)
@some_targets
@dimensions()
@int8
@inputs
@click.option("--format", "forms", multiple=True, default=("text",), metavar="NAME[=FILE]", help=f"{', '.join(FORMATS)}; repeatable.")
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write the report to a file, the first one of several.")
@click.option("--select", multiple=True, metavar="CODE", help="Report only these rules (DLA2 means all of DLA2xx).")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave these rules out of the report.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="What makes the exit code 1; error when not given.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever the findings are.")
@click.option("--baseline", metavar="FILE", type=FILE, help="Count only findings that this file does not know.")
@click.option("--write-baseline", metavar="FILE", type=FILE, help="Write the findings there are now as a baseline, and exit with 0.")
@click.option("--explain", is_flag=True, help="Under each cause, its rewrites and the limit of every release.")
@click.option("--watch", is_flag=True, help="Check again whenever a model or the configuration changes, until Ctrl-C.")
@click.option("--statistics", is_flag=True, help="Only count the findings, by rule over all models.")
@click.option("--others", metavar="NAME,NAME", help="The targets of the one-line comparison.")
@click.option("--no-others", is_flag=True, help="Leave the comparison with other targets out.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 86400), default=TIMEOUT_SECONDS, show_default=True, help="Seconds onnx gets per model."
)
@click.option("--memory", type=click.IntRange(256, 1 << 20), default=MEMORY_BYTES >> 20, show_default=True, help="MiB onnx gets.")
@click.option("-q", "--quiet", count=True, help="Only the verdict; twice: a line for each model that fails.")
@look
@click.pass_obj
def command(
    worker: Worker | None,
    /,
    models: tuple[str, ...],
    forms: tuple[str, ...],
    path: str | None,
    exit_zero: bool,
    watch: bool,
    config: str | None,
    baseline: str | None,
    write_baseline: str | None,
    others: str | None,
    no_others: bool,
    data: str | None,
    **given: Any,
) -> int:
    """Lint ONNX models against the limits of the DLA and predict what TensorRT places on it.

    MODEL is a file, a folder (every .onnx below it) or a pattern. Settings that are not given here come from the nearest dlalint.toml, or
    pyproject.toml with [tool.dlalint], of this folder or one above: `dlalint config` shows them.
    """
    worker = worker or Worker()
    worker.limit(given.pop("timeout"), given.pop("memory") << 20)
    shown = Look(*(given.pop(name) for name in Look._fields))
    reports = wanted(forms, path, shown)
    compared = () if no_others or shown.quiet or shown.statistics else None if others is None else tuple(others.split(","))
    int8_files = given.pop("calibration"), given.pop("layer_precisions")
    options = from_command_line(**given, others=compared)
    if watch:
        return _watched(worker, models, (config, baseline, *int8_files, data), write_baseline)
    accepted, measured = _baseline(baseline), known(*int8_files)
    with Session(digest=any(report.form == "json" for report in reports), worker=worker) as session, Meter(data) as meter:
        results = _check(session, models, read_config(config, session.rules), options, measured, meter)
        if write_baseline is not None:
            _write_baseline(results, write_baseline)
        results = [_contrasted(result, accepted) for result in results]
        _report(results, session, reports, shown)
    return _code(results, fails=not exit_zero and write_baseline is None)


def _watched(worker: Worker, models: Sequence[str], beside: Sequence[str | None], write_baseline: str | None) -> int:
    from dlalint.cli.watch import watch

    if write_baseline is not None:
        cure = "Leave one of them out."
        raise UsageError("a baseline is written once", where="--watch --write-baseline", cure=cure, code="E505")
    worker.close()  # the runs have their own
    return watch(models, [file.removeprefix("@") if file else file for file in beside])


def _code(results: Sequence[Judged | Failure], *, fails: bool) -> int:
    """The exit code; findings count when ``fails``."""
    if any(isinstance(result, Failure) or _crashed(result) for result in results):
        return 2  # what was not fully analysed is never a success
    return int(fails and any(_fails(result) for result in results))


def _refuse(config: Config, book: RuleSet, options: Mapping[str, Any], measured: Measured, meter: Meter) -> None:
    """Say what is wrong with an option before anything is checked. Raises :class:`UsageError`."""
    bound = bind(config, book, options)
    stated = {bound.effective.settings.precision, *(layer.values.get("precision") for layer in config.layers)}
    if measured.scales is not None:
        fits(measured.scales, stated)
    if meter.given is not None:
        fits_fp16(stated)


def _crashed(result: Judged) -> bool:
    return any(finding.name == "inference-crashed" for finding in result.whole.findings)


def _check(
    session: Session, models: Sequence[str], config: Config, options: Mapping[str, Any], measured: Measured, meter: Meter
) -> list[Judged | Failure]:
    """The outcome of every model on every target; a model that cannot be checked is said so and does not stop the others."""
    _refuse(config, session.rules, options, measured, meter)
    results: list[Judged | Failure] = []
    used: frozenset[int] = frozenset()
    paths = find_models(models)
    with progress("checking", after=_PATIENCE) as tell:
        for number, path in enumerate(paths, 1):
            tell(f"checking {number} of {len(paths)}: {path}")
            try:
                bound = bind(config, session.rules, options, path)
                view = opened(session, path, bound)
                found, needed = judge(session, view, bound, config, meter.measured(view, bound.targets, measured))
                results += found
                used |= needed
            except DlalintError as error:
                click.echo(f"dlalint: {for_terminal(str(error))}", err=True)
                results.append(Failure(path, error.code, error.what, error.cure))
            except Exception as error:  # a fault of ours must not cost the other models
                results.append(_internal(path, error))
    if config.waivers:
        from dlalint.waivers import remarks, today

        for remark in remarks(config, used, [item.outcome.model.path for item in results if isinstance(item, Judged)], today()):
            click.echo(f"dlalint: {for_terminal(remark)}", err=True)
    return results


def _internal(path: str, error: Exception) -> Failure:
    if os.environ.get("DLALINT_DEBUG"):
        raise error
    what, cure = f"internal error ({type(error).__name__}: {error})", "Please report it; `dlalint --debug` shows where."
    click.echo(f"dlalint: {for_terminal(f'{path}: error[E900]: {what}. {cure}')}", err=True)
    return Failure(path, "E900", what, cure)


def _baseline(path: str | None) -> tuple[Known, ...] | None:
    if path is None:
        return None
    from dlalint.baseline import read

    return read(path)


def _write_baseline(results: Sequence[Judged | Failure], path: str) -> None:
    from dlalint.baseline import to_text

    if any(isinstance(result, Failure) for result in results):
        click.echo(f"dlalint: {for_terminal(path)} is not written: not every model could be checked", err=True)
    else:
        output.write(to_text([result.outcome for result in results if isinstance(result, Judged)]), path)


def _contrasted(result: Judged | Failure, known: Sequence[Known] | None) -> Judged | Failure:
    if known is None or isinstance(result, Failure):
        return result
    from dlalint.baseline import contrast

    return result._replace(outcome=contrast(result.outcome, result.whole, known))


def _fails(result: Judged | Failure) -> bool:
    if isinstance(result, Failure):
        return True
    worst = SEVERITIES.index(result.fail_on)
    return any(SEVERITIES.index(finding.severity) <= worst for finding in result.outcome.findings)


def _report(results: Sequence[Judged | Failure], session: Session, reports: Sequence[Wanted], look: Look) -> None:
    plain = [result.outcome if isinstance(result, Judged) else result for result in results]
    for report in reports:
        if look.statistics:
            _count([item for item in plain if isinstance(item, Outcome)], report, look)
        elif look.quiet > 1 and report.form == "text":
            from dlalint.report.brief import line

            rows = [row for item in results if isinstance(item, Judged) for row in line(item.outcome, item.fail_on)]
            output.show(rows, report.path, look.color)
        else:
            write(plain, session.rules, report, look)
    if look.verbose:
        _tell(session.effort)


def _tell(effort: Effort) -> None:
    """What the run took, for those who ask why it was slow."""
    known = effort.calls - effort.worked_out
    said = (
        f"{known} of {effort.calls} nodes were known from nodes alike, {effort.worked_out} were worked out ({effort.alone} for themselves)"
    )
    asked = f"onnx was asked {effort.questions} times and gave no answer {effort.unanswered} times"
    click.echo(f"dlalint: {said}; {asked}; {effort.irregular} parts of files were not in the usual form", err=True)


def _count(outcomes: Sequence[Outcome], report: Wanted, look: Look) -> None:
    from dlalint.report.brief import statistics_json, statistics_rows

    if report.form == "json":
        output.write(statistics_json(outcomes), report.path)
    else:
        output.show(statistics_rows(outcomes, min(max(output.width(), 60), 140)), report.path, look.color)
