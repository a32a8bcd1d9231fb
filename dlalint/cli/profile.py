"""``dlalint profile``: where the time of an engine went."""

from __future__ import annotations

import sys

import click

from dlalint.cli import output
from dlalint.cli.options import FILE
from dlalint.report.layout import Row
from dlalint.trtexec.arrange import arranged
from dlalint.trtexec.difference import Difference, difference
from dlalint.trtexec.observed import LogError, Observed
from dlalint.trtexec.read import read
from dlalint.trtexec.story import Story, story

FORMATS = ("text", "json", "svg", "html")


@click.command("profile", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=FILE)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write the report to a file.")
@click.option("-v", "--verbose", is_flag=True, help="Cut no list, and show lines that were not understood.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(files: tuple[str, ...], form: str, path: str | None, verbose: bool, no_color: bool) -> int:
    """Show where the time of an engine went: loadables, GPU layers, reformats, copies, input and output.

    FILE is anything that trtexec prints or exports: a build log, --dumpProfile or --exportProfile, --exportLayerInfo, --exportTimes; or
    the CSV of cuDLA. Files of one engine are joined. Two profiles are compared. A verbose build log alone gives an estimate.
    """
    parts = [read(file) for file in files]
    found = arranged(parts)
    stories = [story(case) for case in found.cases]
    if not any(_tells(item) for item in stories):
        raise LogError(
            "there are no times, formats or layers to report on", where=files[0], cure="Give a profile or a verbose build log.", code="E136"
        )
    told = [item.told for item in stories]
    change = difference(told[0], told[1]) if found.compared and told[0] is not None and told[1] is not None else None
    if form == "json":
        from dlalint.report.profile_json import to_json

        output.write(to_json(stories, parts, change), path)
        return 0
    if form in ("svg", "html"):
        from dlalint.report.layout import plain
        from dlalint.report.profile_picture import to_html, to_svg

        picture = to_svg(stories) if form == "svg" else to_html(stories, plain(_rows(stories, parts, change, verbose, path)))
        output.write(picture, path)
        return 0
    output.show(_rows(stories, parts, change, verbose, path), path, not no_color)
    return 0


def _tells(item: Story) -> bool:
    engine = item.engine
    placed = engine.build is not None and any(engine.build.placement)
    return any((item.told, item.reformats, item.tuned, engine.layers, engine.cudla, engine.times, engine.summary, placed))


def _rows(stories: list[Story], parts: list[Observed], change: Difference | None, verbose: bool, path: str | None) -> list[Row]:
    from dlalint.report.bars import can_show
    from dlalint.report.profile_compared import compared
    from dlalint.report.profile_text import to_text, unknown_rows

    columns = output.width()
    blocks = path is not None or can_show(sys.stdout.encoding)
    unknown = unknown_rows([(part.path, part.unknown.lines, part.unknown.examples) for part in parts], columns, verbose=verbose)
    if change is not None:
        before, after = (item.told for item in stories)
        assert before is not None and after is not None
        rows = compared(change, before, after, [item.engine.paths[0] for item in stories], columns, verbose=verbose)
    else:
        rows = [row for item in stories for row in to_text(item, columns, verbose=verbose, blocks=blocks)]
    return [*rows, *unknown]
