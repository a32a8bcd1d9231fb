"""A file as it was at a revision of its git repository."""

from __future__ import annotations

import os
import re
import subprocess

from dlalint.errors import UsageError
from dlalint.model.load import MAX_BYTES
from dlalint.model.stored import quoted

_SECONDS = 120
_POINTER = re.compile(rb"version https://git-lfs[^\n]*\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\n")


def file_at(path: str, revision: str) -> bytes:
    """The bytes of ``path`` at ``revision``; what Git LFS keeps is taken from its store. Raises :class:`UsageError`.

    The revision is resolved to a commit by itself first, so that nothing in it is taken for an option or a path.
    """
    where = f"--git {revision}"
    folder, name = os.path.split(os.path.abspath(path))
    if not revision or revision.startswith("-") or ":" in revision or "\0" in revision + name:
        raise UsageError(f"{quoted(revision)} is no revision", where="--git", cure="Give a commit, branch or tag.", code="E548")
    commit = _git(folder, where, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    size = int(_git(folder, where, "cat-file", "-s", f"{commit}:./{name}"))
    if size > MAX_BYTES:
        raise UsageError(f"the file has {size} bytes there, more than a model may have", where=where, cure="Compare files.", code="E548")
    data = _git(folder, where, "cat-file", "blob", f"{commit}:./{name}")
    pointer = _POINTER.match(data) if len(data) < 1024 else None
    return data if pointer is None else _fetched(folder, where, pointer[1].decode(), commit)


def _fetched(folder: str, where: str, oid: str, commit: str) -> bytes:
    store = os.fsdecode(_git(folder, where, "rev-parse", "--git-path", "lfs/objects").rstrip(b"\n"))
    try:
        with open(os.path.join(folder, store, oid[:2], oid[2:4], oid), "rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        what, cure = "a Git LFS pointer, and the model is not fetched", f"Run: git lfs fetch origin {commit}."
        raise UsageError(what, where=where, cure=cure, code="E548") from None


def _git(folder: str, where: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", folder, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "it does not answer"
        raise UsageError(f"git cannot be run ({reason})", where=where, cure="Install git.", code="E548") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = quoted(said[0].removeprefix("fatal: "))[1:-1] if said else "no such revision"
        raise UsageError(f"git does not find it: {reason.rstrip('.')}", where=where, cure="Check the revision and the path.", code="E548")
    return done.stdout
