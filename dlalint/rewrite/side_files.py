"""The files that a model's weights lie in: which they are, and copies of them beside another model."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dlalint.errors import ModelError
from dlalint.graph import Model
from dlalint.model import save
from dlalint.model.external import tensors
from dlalint.model.stored import quoted


def side_files(model: Model, path: str) -> tuple[str, ...]:
    """The files that tensors of ``model`` lie in, wherever in it these are, by their paths from the folder of ``path``, but that itself."""
    files = {tensor.where.file for tensor in tensors(model) if tensor.where is not None}
    return tuple(sorted(files - {"", os.path.basename(path)}))


@contextmanager
def copied(names: Sequence[str], source: str, folder: str) -> Iterator[None]:
    """Copies of the side files of the model ``source`` in ``folder``, which go again when what is done under them fails.

    The names are the model's, so they are not trusted: each must be a file below the model's folder that is reached without a link, and
    must not be in ``folder`` yet. Raises :class:`ModelError` or :class:`dlalint.model.save.WriteError`.
    """
    made: list[str] = []
    try:
        for path, target in [_checked(name, os.path.dirname(source), folder) for name in names]:
            _make_folders(os.path.dirname(target), folder, made)
            save.write([save.Span(path, 0, os.stat(path).st_size)], target, what="the side file", limit=None)
            made.append(target)
        yield
    except BaseException as error:
        for place in reversed(made):
            with contextlib.suppress(OSError):
                (os.rmdir if os.path.isdir(place) else os.unlink)(place)
        if isinstance(error, OSError):
            raise save.WriteError(f"a side file cannot be copied ({error.strerror})", where=folder, cure="Check the folder.") from None
        raise


def _make_folders(path: str, top: str, made: list[str]) -> None:
    """Make the folders from ``top``, which is there, down to ``path``; those that were not there are added to ``made``."""
    missing = []
    while path != top and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for place in reversed(missing):
        os.mkdir(place)
        made.append(place)


def _checked(name: str, home: str, folder: str) -> tuple[str, str]:
    """Where a side file is and where its copy goes."""
    steps = name.split("/")
    fault = ""
    if not name or "\0" in name or "\\" in name or os.path.isabs(name) or ".." in steps:
        fault = "lies outside of the model's folder"
    else:
        for last in range(1, len(steps) + 1):
            fault = fault or _fault(os.path.join(home, *steps[:last]), last == len(steps))
    if fault:
        raise ModelError(f"the side file {quoted(name)} {fault}", cure="Put it beside the model as a file of its own.", code="E113")
    target = os.path.join(folder, *steps)
    if os.path.lexists(target):
        raise save.WriteError(
            "the file is there already", where=target, cure="Leave --copy-data out if it is the right one, or remove it.", code="E402"
        )
    return os.path.join(home, *steps), target


def _fault(path: str, last: bool) -> str:
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISLNK(mode):
        return "is reached through a symbolic link"
    return "is no regular file" if last and not stat.S_ISREG(mode) else ""
