"""From a model with Q/DQ nodes to one without them, its cache and its list of layer precisions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from tempfile import TemporaryDirectory

from dlalint.calibration import layer_precisions
from dlalint.calibration.cache import ENTROPY, Cache, to_text
from dlalint.calibration.translated import Placed, Proof, Remark, Translated
from dlalint.errors import DlalintError
from dlalint.graph import Device
from dlalint.model.inputs import Overrides
from dlalint.model.save import check_target, write_text
from dlalint.model.skeleton import excise, restore
from dlalint.model.tensors import KEEP_INTEGER_BYTES
from dlalint.named_tuple import NamedTuple
from dlalint.numeric import Runner
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.rewrite.fixing import ProofError
from dlalint.rewrite.graph import Graph, parsed
from dlalint.rewrite.proven import write_proven
from dlalint.rewrite.quantization.carrying import Carried, carry
from dlalint.rewrite.quantization.grid import QuantizationError
from dlalint.rewrite.quantization.halves import halves
from dlalint.rewrite.quantization.normalizing import Joined, joined
from dlalint.rewrite.quantization.pairs import Found, find
from dlalint.rewrite.quantization.proving import Subject, prove
from dlalint.rewrite.quantization.recorded import recorded, regridded, remarks, unused
from dlalint.rewrite.quantization.removing import Removed, removed
from dlalint.rewrite.weights import Weights
from dlalint.target import Target
from dlalint.trtexec.flags import Flags


class Made(NamedTuple):
    """A translation before it is written: ``graph`` and ``found`` are the model with its Q/DQ nodes, ``removed`` the one without, and
    ``joined`` that with its normalizations folded."""

    graph: Graph
    found: Found
    removed: Removed
    joined: Joined
    result: Translated

    @property
    def cache(self) -> dict[str, float]:
        """The scales by tensor."""
        return {item.tensor: item.scale for item in self.result.scales}


class Places(NamedTuple):
    """Where things go: the model, the cache, and the list of layer precisions (nowhere when empty)."""

    model: str
    cache: str
    precisions: str = ""


class Translator:
    """Translates models for one target. ``progress`` is told what is being done."""

    def __init__(self, session: Session, target: Target, runner: Runner, progress: Callable[[str], None] = lambda _: None) -> None:
        self._session = session
        self._target = target
        self._runner = runner
        self._progress = progress

    def translate(self, weights: Weights, overrides: Overrides | None = None, *, average: bool = False) -> Made:
        """The translation of the model ``weights.source``. Nothing is written. Raises :class:`DlalintError`.

        ``overrides`` fix dimensions for placement and proof; ``average`` carries scales through means too.
        """
        path = weights.source
        graph = Graph(parsed(excise(path, KEEP_INTEGER_BYTES), path), self._session.view(path, overrides), weights)
        try:
            found = find(graph)
            if not found.pairs and not found.baked:
                cure = "Quantize it first, or give --inputs to calibrate it."
                raise QuantizationError("it has no Q/DQ nodes", cure=cure, code="E159")
            made = removed(graph, found)
        except QuantizationError as error:
            error.where = f"{path}: {error.where}" if error.where else path
            raise
        view = self._session.view_bytes(made.model.SerializeToString(), path, overrides)
        one = joined(Graph(made.model, view, weights, self._target.trt), frozenset(made.tensors))
        return Made(graph, found, made, one, self._result(graph, found, made, one, overrides, average=average))

    def _result(self, graph: Graph, found: Found, made: Removed, one: Joined, overrides: Overrides | None, *, average: bool) -> Translated:
        path = graph.weights.source
        view = self._session.view_bytes(one.model.SerializeToString(), path, overrides)
        new = Graph(one.model, view, graph.weights, self._target.trt)
        outcome = self._session.check(view, self._target)
        own = recorded(found, made)
        carried = carry(new, {item.tensor: item.scale for item in own}, average=average)
        flags = Flags(self._session.rules.trtexec, self._session.rules.sources, self._target.trt)
        baked = frozenset(item.name for item in found.baked)
        baked |= {new for old, new in one.weights.items() if old in baked}
        return Translated(
            model=path,
            target=self._target.name,
            pairs=len(found.pairs),
            constants=len(found.baked),
            scales=(*own, *carried.steps),
            remarks=(*remarks(found, made, own), *regridded(graph, found), *unused(graph, found), *_others(one, carried)),
            halves=halves(new, outcome, _places(made, one), frozenset(made.tensors), carried.scales, baked, flags.nameable),
            before=_placed(self._session.check(graph.view, self._target)),
            after=_placed(outcome),
        )

    def save(self, made: Made, places: Places, *, prove_it: bool = True, seed: int = 0) -> Proof | None:
        """Write all files, no cache without a scale; when the proof fails, none. ``None`` without a proof that was not asked for.

        Raises :class:`ProofError` when there can be no proof.
        """
        texts: list[tuple[str, str, str]] = []
        if made.cache:
            texts.append((places.cache, to_text(Cache(self._target.release, ENTROPY, made.cache)), "the calibration cache"))
        if places.precisions:
            texts.append((places.precisions, listed(made.result) + "\n", "the list of layer precisions"))
        for place, _, what in texts:
            check_target(place, what)
        pieces = restore(made.graph.weights.whole(made.joined.model), *made.graph.weights.files)
        proof = write_proven(pieces, places.model, partial(self.prove, made, seed=seed) if prove_it else None)
        if proof is None or proof.ok:
            for place, text, what in texts:
                write_text(text, place, what)
        return proof

    def rehearse(self, made: Made, seed: int = 0) -> Proof | None:
        """The proof without writing anything that stays."""
        with TemporaryDirectory() as folder:
            return self.save(made, Places(os.path.join(folder, "model.onnx"), os.path.join(folder, "cache")), seed=seed)

    def prove(self, made: Made, path: str, seed: int = 0) -> Proof:
        """Compare the model written to ``path`` with the one that has Q/DQ nodes."""
        self._progress("proving the model")
        try:
            subject = Subject(made.graph, made.found, made.removed, made.joined.model, path)
            return prove(self._runner, subject, made.cache, seed, made.graph.view.types)
        except DlalintError as error:
            cure = "Give --no-verify to write the result unproven; --shape fixes dimensions that the model leaves free."
            raise ProofError(f"the result cannot be proven: {error.what}", where=made.result.model, cure=cure) from None


def listed(result: Translated) -> str:
    """The list of layer precisions, empty when every layer has INT8 scales."""
    return layer_precisions.to_text({item.layer: "fp16" for item in result.halves if item.layer})


def _placed(outcome: Outcome) -> Placed:
    nodes = sum(node.device is not Device.FOLDED for node in outcome.nodes)
    return Placed(nodes, outcome.summary.dla_nodes, outcome.summary.loadables)


def _places(made: Removed, one: Joined) -> frozenset[tuple[str, int]]:
    """Where nodes read from a pair: what they make first in the model that is written, and the number of the input."""
    nodes = made.model.graph.node
    found = [(nodes[number].output[0], position) for readers in made.readers for number, position in readers]
    return frozenset((one.outputs.get(name, name), position) for name, position in found)


def _others(one: Joined, carried: Carried) -> Iterator[Remark]:
    for name in one.outputs.values():
        yield Remark("batch-norm", name, "its batch normalization is part of the convolution before it, whose output had no Q/DQ pair")
    for name, ratio in carried.uneven:
        yield Remark("concat", name, f"it joins tensors whose scales differ by a factor of {ratio:.3g}", ratio)
