"""``check --inputs``: what the tensors of a model hold on the inputs that a user gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from dlalint.cli.native import load
from dlalint.cli.progress import progress
from dlalint.errors import UsageError
from dlalint.graphview import GraphView
from dlalint.measured import Measured, Ranges
from dlalint.target import Target

if TYPE_CHECKING:
    from dlalint.numeric import Runner

MAX_SEED = (1 << 32) - 1
_RANDOM = re.compile(r"random(?::(.*))?")


class Meter:
    """Measures models on the inputs ``given`` (nothing when ``None``). Use as a context manager; onnxruntime starts when it is needed."""

    def __init__(self, given: str | None) -> None:
        """Raises :class:`UsageError` when the inputs are to be random and their seed is none."""
        self.given = given
        self._seed = seed_of(given) if given is not None else None
        self._runner: Runner | None = None

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._runner is not None:
            self._runner.close()

    def measured(self, view: GraphView, targets: Sequence[Target], known: Measured) -> Measured:
        """``known`` with the ranges of a model, where one of ``targets`` needs them. Raises :class:`DlalintError`."""
        if self.given is None or all(target.precision != "fp16" for target in targets):
            return known
        if self._runner is None:
            load("numpy")
            from dlalint.numeric import Runner

            self._runner = Runner()
        return known._replace(ranges=ranges_of(self._runner, view, self.given, self._seed))


def seed_of(given: str) -> int | None:
    """The seed of ``random`` or ``random:SEED``, ``None`` for a path. Raises :class:`UsageError`."""
    found = _RANDOM.fullmatch(given)
    if found is None:
        return None
    text = "0" if found[1] is None else found[1]
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_SEED):
        cure = f"Give random:0 to random:{MAX_SEED}, or ./{given} for a file."
        raise UsageError(f"{given!r} has no seed", where="--inputs", cure=cure, code="E505")
    return int(text)


def ranges_of(runner: Runner, view: GraphView, given: str, seed: int | None) -> Ranges:
    """The ranges of the model of ``view`` on the inputs ``given``: a file, a folder, or with a ``seed`` made up.

    Raises :class:`DlalintError`.
    """
    from dlalint.numeric import Interface, feeds
    from dlalint.numeric.ranges import ranges
    from dlalint.numeric.samples import batches
    from dlalint.numeric.weights import weights

    path = view.model.path
    interface = runner.interface(path)
    types = {name: view.types.get(name, kind) for name, kind in interface.inputs.items()}
    source = batches(given, Interface(types, interface.outputs)) if seed is None else [next(feeds(types, seed))[1]]
    samples = 1 if isinstance(source, list) else source.samples
    with progress(f"measuring {path}") as tell:
        found = ranges(runner, path, source, progress=lambda done, of: tell(f"measuring {path}: {done} of {of} batches"))
    read = {name for call in view.calls if not call.folded for name in call.node.inputs}
    constants = {name: tensor for name, tensor in view.constants.items() if name in read and tensor is not None}
    runner.forget(path)
    return Ranges(given, samples, found, weights(path, constants), seed)
