"""`fix` from a file to a file: rewrite, prove the whole model, replace the target at once or leave it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from tempfile import TemporaryDirectory

from onnx import ModelProto

from dlalint.calibration.cache import Cache
from dlalint.calibration.kept import Kept
from dlalint.changes import Proof, Rewritten
from dlalint.errors import DlalintError, UsageError
from dlalint.graphview import GraphView
from dlalint.model.inputs import Overrides
from dlalint.model.save import write
from dlalint.model.skeleton import excise, restore
from dlalint.model.tensors import KEEP_INTEGER_BYTES
from dlalint.named_tuple import NamedTuple
from dlalint.numeric import Runner, Sets, Tolerance, Verification, explains, feeds, unrest, verify
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.rewrite.base import APPROXIMATE, EXACT, Replacement, Rewrite, catalogue
from dlalint.rewrite.driver import Driver, Limits
from dlalint.rewrite.graph import Array, Graph, fix_inputs, parsed
from dlalint.rewrite.proof import parts
from dlalint.rewrite.proven import write_proven
from dlalint.rewrite.quantization.keeping import kept
from dlalint.rewrite.quantization.marking import marked
from dlalint.rewrite.weights import Weights
from dlalint.selection import Selection
from dlalint.target import Target

Feeds = Mapping[str, Array]


# what was allowed to be approximate only has to be the same network: its error is measured and told
APPROXIMATELY = Tolerance(rtol=0.25, atol=0.25)


class ProofError(DlalintError):
    """Whether the rewritten model computes what the original computes could not be found out."""

    default_code = "E310"


class Options(NamedTuple):
    """What to try and how to prove it. ``select`` and ``ignore`` are names of rewrites; an empty ``select`` means all."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    approximate: bool = False
    extra_macs: float = 1.0
    prove: bool = True
    tolerance: Tolerance = Tolerance()
    seed: int = 0
    inputs: tuple[Feeds, ...] = ()


class Fixed(NamedTuple):
    """The rewritten model without the large weights, which ``weights`` has."""

    model: ModelProto
    weights: Weights
    found: Rewritten


def chosen(options: Options) -> tuple[list[Rewrite], list[Rewrite]]:
    """The rewrites to try, and those that are left out for being approximate. Raises :class:`UsageError` at a name that none has."""
    known = {item.name: item for item in catalogue()}
    for option, names in (("--select", options.select), ("--ignore", options.ignore)):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"no rewrite is called {name!r}", where=option, cure=f"There are: {', '.join(sorted(known))}.", code="E504"
                )
    wanted = [item for name, item in known.items() if (not options.select or name in options.select) and name not in options.ignore]
    tried = [item for item in wanted if options.approximate or item.exactness != APPROXIMATE]
    return tried, [item for item in wanted if item not in tried]


class Fixer:
    """Rewrites models for one target. ``progress`` is told what is being done."""

    def __init__(
        self, session: Session, target: Target, options: Options, runner: Runner, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._session = session
        self._target = target
        self._options = options
        self._runner = runner
        self._progress = progress

    def fix(self, weights: Weights, overrides: Overrides | None = None) -> Fixed:
        """Rewrite the model ``weights.source`` as far as it gets better. Nothing is written. Raises :class:`DlalintError`."""
        path = weights.source
        view = self._session.view(path, overrides)
        model = parsed(excise(path, KEEP_INTEGER_BYTES), path)
        fix_inputs(model, view, overrides)
        quiet = Selection((), ("weights-missing",), self._session.rules)  # new weights lie where no side file may

        def check(candidate: ModelProto) -> tuple[GraphView, Outcome]:
            seen = self._session.view_bytes(candidate.SerializeToString(), path)
            return seen, quiet.apply(self._session.check(seen, self._target))

        rewrites, unasked = chosen(self._options)
        driver = Driver(rewrites, check, self._prove, Limits(self._options.extra_macs), unasked)
        made, found = driver.run(model, weights)
        return Fixed(made, weights, found)

    def finish(self, fixed: Fixed, place: str) -> tuple[Proof | None, str]:
        """Write to ``place`` when something got better and the proof holds; prove it in any case. The proof, and what was written."""
        if not fixed.found.changes:
            return None, ""
        proof = self.save(fixed, place) if place else self.rehearse(fixed) if self._options.prove else None
        return proof, place if proof is None or proof.ok else ""

    def save(self, fixed: Fixed, target: str) -> Proof | None:
        """Write the model to ``target``; when its proof fails, the target stays as it was. ``None`` without a proof that was not asked for.

        Raises :class:`ProofError` when there can be no proof.
        """
        pieces = restore(fixed.model.SerializeToString(), *fixed.weights.files)
        return write_proven(pieces, target, partial(self.prove, fixed) if self._options.prove else None)

    def rehearse(self, fixed: Fixed) -> Proof | None:
        """The proof without writing anything that stays; ``None`` for a model with side files, which has to lie beside them."""
        if not all(map(fixed.weights.belongs, fixed.model.graph.initializer)):
            return None
        with TemporaryDirectory() as folder:
            return self.save(fixed, os.path.join(folder, "model.onnx"))

    def kept(self, fixed: Fixed, cache: Cache) -> Kept:
        """``cache``, which is of the original, for the rewritten model."""
        path = fixed.weights.source
        view = self._session.view_bytes(fixed.model.SerializeToString(), path)
        old = fixed.found.before.model.graph
        before = {*old.inputs, *old.constants, *(name for node in old.nodes for name in node.outputs)}
        graph = Graph(fixed.model, view, fixed.weights, self._target.trt)
        return kept(cache, before, graph, self._target.release, partial(self._look, graph) if self._options.prove else None)

    def _look(self, graph: Graph, names: Sequence[str]) -> dict[str, Array]:
        """The elements of tensors in a run of the rewritten model."""
        with TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            write(restore(graph.weights.whole(marked(graph.proto, names, graph)), *graph.weights.files), path)
            feed = next(feeds(self._runner.inputs(path), self._options.seed))[1]
            return {**feed, **self._runner.outputs(path, feed, [name for name in names if name not in feed])}

    def prove(self, fixed: Fixed, path: str) -> Proof:
        """Compare the model written to ``path`` with its original on whole inputs."""
        self._progress("proving the whole model")
        source, tolerance, exact = fixed.weights.source, self._whole(fixed.found), _exact(fixed.found)
        inputs, seed = self._options.inputs, self._options.seed
        try:
            found = verify(self._runner, source, path, tolerance=tolerance, exact=exact, inputs=inputs, seed=seed)
            proof = _proof(found)
            if proof.ok or exact or any(change.error is None for change in fixed.found.changes):
                return proof
            self._progress("measuring how steady the original is")
            self._runner.forget(path)
            own = unrest(self._runner, source, tolerance, inputs=inputs, seed=seed)
        except DlalintError as error:
            cure = "Give --no-verify to write the result unproven."
            raise ProofError(f"the result cannot be proven: {error.what}", where=source, cure=cure) from None
        return _weighed(proof, found, own)

    def _whole(self, found: Rewritten) -> Tolerance:
        """What outputs of the whole model may be off: the rounding of many rewrites adds up, so both bounds are relative to the scale."""
        given = APPROXIMATELY if any(change.exactness == APPROXIMATE for change in found.changes) else self._options.tolerance
        return given._replace(atol=max(given.rtol, given.atol))

    def _prove(self, graph: Graph, rewrite: Rewrite, replacement: Replacement) -> tuple[float | None, str]:
        """The largest relative error of a replacement by itself, and why it must not be made."""
        if not self._options.prove:
            return None, ""
        self._progress(f"{rewrite.name}: {graph.nodes[min(replacement.remove)].name}")
        models = parts(graph, replacement)
        if models is None:
            return None, ""
        old, new = (model.SerializeToString() for model in models)
        try:
            tolerance = APPROXIMATELY if rewrite.exactness == APPROXIMATE else self._options.tolerance
            found = verify(self._runner, old, new, tolerance=tolerance, exact=rewrite.exactness == EXACT)
        except DlalintError as error:
            return None, f"cannot be proven: {error.what}"
        proof = _proof(found)
        return proof.error, "" if proof.ok else f"the proof failed: {proof.first} differs by {proof.error:.1e} of its largest value"


def _exact(found: Rewritten) -> bool:
    """Whether outputs have to be bit-equal; onnxruntime rounds to FP16 where it likes, so with FP16 in the model they need not."""
    halves = any(kind.dtype == "float16" for kind in found.before.network.types.values())
    return not halves and all(change.exactness == EXACT for change in found.changes)


def _proof(found: Verification) -> Proof:
    errors = [inf if item.max_rel is None else item.max_rel for _, items in found.sets for item in items]
    return Proof(tuple(label for label, _ in found.sets), max(errors, default=0.0), found.ok, found.first or "")


def _weighed(proof: Proof, found: Verification, own: Sets) -> Proof:
    """The failed proof of rewrites that each hold by themselves, held against what the original does when its inputs are rounded.

    Sets on which it stays within the tolerance have to agree. The others count where no set tells anything, and have to be explained by it.
    """
    moved = dict(own)
    unsteady = tuple(label for label, stills in own if not all(still.within for still in stills))
    steady = [(label, items) for label, items in found.sets if label not in unsteady]
    if not all(item.within for _, items in steady for item in items):
        return proof
    unrest = max((still.max_rel or 0.0 for label in unsteady for still in moved[label]), default=0.0)
    if any(item.finite and item.scale for _, items in steady for item in items):
        error = max(item.max_rel or 0.0 for _, items in steady for item in items)
        return Proof(proof.sets, error, True, "", unsteady, unrest)
    pairs = (pair for label, items in found.sets if label in unsteady for pair in zip(moved[label], items, strict=True))
    if not all(item.within or explains(still, item) for still, item in pairs):
        return proof
    return Proof(proof.sets, proof.error, True, "", proof.sets, unrest)


def beside(path: str, suffix: str) -> str:
    """``model.onnx`` with ``fixed`` as ``model.fixed.onnx``."""
    stem, ending = os.path.splitext(path)
    return f"{stem}.{suffix}{ending or '.onnx'}"
