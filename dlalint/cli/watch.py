"""``dlalint check --watch``: the same check again whenever a file changes.

Each check is a process of its own: whatever a model that is just being written does to it, the watch goes on.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence

import click

from dlalint.config import locate
from dlalint.model.load import find_models
from dlalint.report.escape import for_terminal
from dlalint.report.layout import counted, listed

INTERVAL = 0.5  # seconds between two looks at the files
_SHOWN = 3
_States = dict[str, tuple[int, int, int]]


def watch(models: Sequence[str], beside: Sequence[str | None]) -> int:
    """Run the command line that was given, without --watch, at once and after each change of its models or of the files ``beside``.

    The first of these is the configuration, looked for where it is not named. Ends with 130 on an interruption, with 0 when nobody reads
    what is printed any more.
    """
    config, *others = beside
    seen: _States | None = None
    try:
        while not _unread():
            files = [*find_models(models), *filter(None, (config or _located(), *others))]
            now = _states(files)
            if now == seen:
                time.sleep(INTERVAL)
            elif seen is not None and _still_changing(files, now):
                continue
            else:
                if seen is not None:
                    _tell(f"{_changed(seen, now)} changed")
                seen = now
                _check()
                _tell(f"watching {counted(len(files), 'file')}, Ctrl-C ends")
    except KeyboardInterrupt:
        return 130
    return 0


def _located() -> str:
    found = locate()
    return os.path.relpath(found) if found else ""


def _states(files: Sequence[str]) -> _States:
    """Time, size and inode of the files that are there."""
    found: _States = {}
    for file in files:
        try:
            state = os.stat(file)
        except (OSError, ValueError):
            continue
        found[file] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found


def _still_changing(files: Sequence[str], now: _States) -> bool:
    """Wait a moment; a file that another program writes has changed again then."""
    time.sleep(INTERVAL)
    return _states(files) != now


def _changed(before: _States, after: _States) -> str:
    return listed(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)), _SHOWN)


def _check() -> None:
    """One run. It hears of an interruption from here, not from the terminal, and has nothing to say about it."""
    arguments = sys.argv[1:]
    arguments.remove("--watch")
    with subprocess.Popen([sys.executable, "-m", "dlalint", *arguments], stdin=subprocess.DEVNULL, start_new_session=True) as run:
        try:
            run.wait()
        finally:
            if run.poll() is None:
                run.terminate()


def _tell(text: str) -> None:
    click.echo(f"dlalint: {for_terminal(text)}", err=True)


def _unread() -> bool:
    """Whether nobody reads stdout any more."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
