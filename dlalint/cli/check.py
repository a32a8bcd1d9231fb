"""``dlalint check``: lint models and predict their placement."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.formats import FORMATS, Wanted, wanted, write
from dlalint.cli.judging import Judged, judge
from dlalint.cli.options import dimensions, fits, fits_fp16, inputs, int8, known, look, some_targets
from dlalint.cli.range_inputs import Meter
from dlalint.cli.settings import bind, from_command_line, opened, read_config
from dlalint.config import Config
from dlalint.errors import DlalintError
from dlalint.finding import SEVERITIES
from dlalint.measured import Measured
from dlalint.model.load import find_models
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.escape import for_terminal
from dlalint.worker import MEMORY_BYTES, TIMEOUT_SECONDS, Worker

if TYPE_CHECKING:
    from dlalint.accepted import Known
    from dlalint.engine.ruleset import RuleSet


@click.command("check", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@some_targets
@dimensions()
@int8
@inputs
@click.option("--format", "forms", multiple=True, default=("text",), metavar="NAME[=FILE]", help=f"{', '.join(FORMATS)}; repeatable.")
@click.option("-o", "--output", "path", metavar="FILE", help="Write the report to a file, the first one of several.")
@click.option("--select", multiple=True, metavar="CODE", help="Report only these rules (DLA2 means all of DLA2xx).")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave these rules out of the report.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="What makes the exit code 1; error when not given.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever the findings are.")
@click.option("--config", metavar="FILE", help="A dlalint.toml or pyproject.toml, instead of the one found upward.")
@click.option("--baseline", metavar="FILE", help="Count only findings that this file does not know.")
@click.option("--write-baseline", metavar="FILE", help="Write the findings there are now as a baseline, and exit with 0.")
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
    config: str | None,
    baseline: str | None,
    write_baseline: str | None,
    statistics: bool,
    others: str | None,
    no_others: bool,
    quiet: int,
    data: str | None,
    **given: Any,
) -> int:
    """Lint ONNX models against the limits of the DLA and predict what TensorRT places on it.

    MODEL is a file, a folder (every .onnx below it) or a pattern. Settings that are not given here come from the nearest dlalint.toml, or
    pyproject.toml with [tool.dlalint], of this folder or one above: `dlalint config` shows them.
    """
    reports = wanted(forms, path, statistics=statistics)
    worker = worker or Worker()
    worker.limit(given.pop("timeout"), given.pop("memory") << 20)
    shown = {"verbose": given.pop("verbose"), "color": not given.pop("no_color"), "quiet": quiet, "statistics": statistics}
    compared = () if no_others or quiet or statistics else None if others is None else tuple(others.split(","))
    measured = known(given.pop("calibration"), given.pop("layer_precisions"))
    options = from_command_line(**given, others=compared)
    accepted = _baseline(baseline)
    with Session(digest=any(report.form == "json" for report in reports), worker=worker) as session, Meter(data) as meter:
        settings = read_config(config, session.rules)
        _refuse(settings, session.rules, options, measured, meter)
        results = _check(session, find_models(models), settings, options, measured, meter)
        if write_baseline is not None:
            _write_baseline(results, write_baseline)
        results = [_contrasted(result, accepted) for result in results]
        _report(results, session.rules, reports, **shown)
    return _exit_code(results, may_fail=not exit_zero and write_baseline is None)


def _exit_code(results: Sequence[Judged | Failure], *, may_fail: bool) -> int:
    if any(isinstance(result, Failure) or _crashed(result) for result in results):
        return 2  # what was not fully analysed is never a success
    return int(may_fail and any(_fails(result) for result in results))


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
    session: Session, paths: Sequence[str], config: Config, options: Mapping[str, Any], measured: Measured, meter: Meter
) -> list[Judged | Failure]:
    """The outcome of every model on every target; a model that cannot be checked is said so and does not stop the others."""
    results: list[Judged | Failure] = []
    used: frozenset[int] = frozenset()
    for path in paths:
        try:
            bound = bind(config, session.rules, options, path)
            view = opened(session, path, bound, options)
            found, needed = judge(session, view, bound, config, meter.measured(view, bound.targets, measured))
            results += found
            used |= needed
        except DlalintError as error:
            click.echo(f"dlalint: {for_terminal(str(error))}", err=True)
            results.append(Failure(path, error.code, error.what, error.cure))
        except Exception as error:  # a fault of ours must not cost the other models
            if os.environ.get("DLALINT_DEBUG"):
                raise
            what, cure = f"internal error ({type(error).__name__}: {error})", "Please report it; `dlalint --debug` shows where."
            click.echo(f"dlalint: {for_terminal(f'{path}: error[E900]: {what}. {cure}')}", err=True)
            results.append(Failure(path, "E900", what, cure))
    if config.waivers:
        from dlalint.waivers import remarks, today

        for remark in remarks(config, used, [item.outcome.model.path for item in results if isinstance(item, Judged)], today()):
            click.echo(f"dlalint: {for_terminal(remark)}", err=True)
    return results


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


def _report(
    results: Sequence[Judged | Failure],
    book: RuleSet,
    reports: Sequence[Wanted],
    *,
    verbose: bool,
    color: bool,
    quiet: int,
    statistics: bool,
) -> None:
    plain = [result.outcome if isinstance(result, Judged) else result for result in results]
    for report in reports:
        if statistics:
            _count([item for item in plain if isinstance(item, Outcome)], report, color)
        elif quiet > 1 and report.form == "text":
            from dlalint.report.brief import line

            rows = [row for item in results if isinstance(item, Judged) for row in line(item.outcome, item.fail_on)]
            output.show(rows, report.path, color)
        else:
            write(plain, book, report, verbose=verbose, quiet=quiet > 0, color=color)


def _count(outcomes: Sequence[Outcome], report: Wanted, color: bool) -> None:
    from dlalint.report.brief import statistics_json, statistics_rows

    if report.form == "json":
        output.write(statistics_json(outcomes), report.path)
    else:
        output.show(statistics_rows(outcomes, min(max(output.width(), 60), 140)), report.path, color)
