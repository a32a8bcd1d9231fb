"""Files that are written only when what they hold is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol, TypeVar

from dlalint.model.save import Piece, write


class Provable(Protocol):
    """The result of a proof."""

    @property
    def ok(self) -> bool:
        """Whether it holds."""


P = TypeVar("P", bound=Provable)


class _DisprovenError(Exception):
    """The file holds something else than it should."""


def write_proven(pieces: Iterable[Piece], target: str, prove: Callable[[str], P] | None) -> P | None:
    """Write ``pieces`` as the model ``target`` if ``prove``, which gets the finished file, says so; else the target stays as it was.

    Returns the proof, ``None`` without one. Raises what :func:`dlalint.model.save.write` and ``prove`` raise.
    """
    proofs: list[P] = []

    def approve(path: str) -> None:
        assert prove is not None
        proofs.append(prove(path))
        if not proofs[0].ok:
            raise _DisprovenError

    with suppress(_DisprovenError):
        write(pieces, target, approve=approve if prove is not None else None)
    return proofs[0] if proofs else None
