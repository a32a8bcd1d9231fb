"""`split`: the parts of a model as files with a manifest, and the proof that one after the other they compute the whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf
from tempfile import TemporaryDirectory
from typing import Any

from dlalint.changes import Proof
from dlalint.errors import DlalintError, UsageError
from dlalint.graph import DTYPE_CODES, Device, dtype_size
from dlalint.model.inputs import Overrides
from dlalint.model.save import WriteError, check_target, write, write_text
from dlalint.model.skeleton import excise, restore
from dlalint.model.stored import quoted
from dlalint.model.tensors import KEEP_INTEGER_BYTES
from dlalint.named_tuple import NamedTuple
from dlalint.numeric import Runner, difference, feeds
from dlalint.pipeline import Session
from dlalint.plan import Outcome, Summary
from dlalint.rewrite.fixing import ProofError
from dlalint.rewrite.graph import NOT_A_NODE, Array, Graph, fix_inputs, parsed
from dlalint.rewrite.parts import Part, at_tensors, by_device, model_of, sources
from dlalint.rewrite.weights import Weights
from dlalint.target import Target

MANIFEST = "manifest.json"


class Split(NamedTuple):
    """The parts of a model in the order they run, the files they were written to, and the proof, if one was asked for.

    ``alone`` says what becomes of each part for the DLA that is built by itself; it is ``None`` for the others.
    """

    outcome: Outcome
    graph: Graph
    parts: tuple[Part, ...]
    files: tuple[str, ...]
    alone: tuple[Summary | None, ...] = ()
    proof: Proof | None = None


def split(
    session: Session,
    path: str,
    target: Target,
    folder: str,
    at: Sequence[str] = (),
    overrides: Overrides | None = None,
    runner: Runner | None = None,
) -> Split:
    """Write the parts of the model at ``path`` into ``folder``, cut at tensors or where the predicted build changes the device.

    ``runner`` proves the composition on seeded inputs; ``None`` leaves the proof out. Leaves no part when it raises.
    """
    view = session.view(path, overrides)
    outcome = session.check(view, target)
    proto = parsed(excise(path, KEEP_INTEGER_BYTES), path)
    fix_inputs(proto, view, overrides)
    graph = Graph(proto, view, Weights(path))
    parts = at_tensors(graph, outcome, at) if at else by_device(graph, outcome)
    if not parts:
        cure = "`dlalint check` shows what is left of it at run time."
        raise UsageError("no node of the model computes anything at run time", where=path, cure=cure, code="E508")
    untyped = [name for part in parts for name in part.inputs if (kind := graph.type(name)) is None or kind.dtype not in DTYPE_CODES]
    if untyped:
        what = f"a cut goes through {quoted(untyped[0])}, whose element type is not known"
        raise UsageError(what, where=path, cure="Let onnx.shape_inference.infer_shapes write it into the model.", code="E551")
    files = tuple(f"{number:02d}-{part.device.value}.onnx" for number, part in enumerate(parts))
    found = Split(outcome, graph, parts, files)
    new = not os.path.lexists(folder)
    try:
        return _write(found, folder, session, runner)
    except OSError as error:
        raise WriteError(f"the parts cannot be written ({error.strerror})", where=folder, cure="Check the folder.") from None
    finally:
        if new:
            with suppress(OSError):  # not empty: the parts are in it
                os.rmdir(folder)


def _write(found: Split, folder: str, session: Session, runner: Runner | None) -> Split:
    """Write all parts beside their places, check and prove them, and put them there; the manifest comes last."""
    graph = found.graph
    source = graph.weights.source
    os.makedirs(folder, exist_ok=True)
    goals = [os.path.join(folder, name) for name in (*found.files, MANIFEST)]
    for goal in goals:
        check_target(goal, "the part")
    with TemporaryDirectory(prefix=".dlalint-", dir=folder) as room:
        made = [os.path.join(room, name) for name in found.files]
        for file, part in zip(made, found.parts, strict=True):
            write(restore(graph.weights.whole(model_of(graph, part)), source), file)
        alone = [_alone(session, file, part, found.outcome.target) for file, part in zip(made, found.parts, strict=True)]
        proof = _prove(runner, graph, made, found.parts) if runner is not None else None
        if proof is not None and not proof.ok:
            cure = "Please report it, with the model if you can."
            what = f"the parts differ from the whole: {proof.first} first, by {proof.error:.1e}"
            raise ProofError(what, where=source, cure=cure, code="E312")
        for file, goal in zip(made, goals, strict=False):
            os.replace(file, goal)
    found = found._replace(alone=tuple(alone), proof=proof)
    write_text(manifest(found), goals[-1], "the list of the parts")
    return found


def _alone(session: Session, file: str, part: Part, target: Target) -> Summary | None:
    return session.check(session.view(file), target).summary if part.device is Device.DLA else None


def manifest(found: Split) -> str:
    """The parts in running order, with the tensors that they hand on and their bytes in the model's own types."""
    outcome, graph = found.outcome, found.graph
    names = [node.id for node in outcome.nodes]
    return json.dumps(
        {
            "schema": 1,
            "model": os.path.basename(outcome.model.path),
            "target": outcome.target.name,
            "precision": outcome.target.precision,
            "parts": [
                {
                    "file": file,
                    "device": part.device.value,
                    "alone": {"loadables": alone.loadables, "gpu_nodes": alone.gpu_nodes + alone.unknown_nodes} if alone else None,
                    "nodes": [names[index] for index in part.nodes],
                    "inputs": [tensor(graph, name) for name in part.inputs],
                    "outputs": [tensor(graph, name) for name in part.outputs],
                }
                for file, part, alone in zip(found.files, found.parts, found.alone, strict=True)
            ],
        },
        indent=1,
    )


def tensor(graph: Graph, name: str) -> dict[str, Any]:
    """A tensor of the manifest."""
    kind = graph.type(name)
    shape = list(kind.shape) if kind is not None and kind.shape is not None else None
    count = kind.elements if kind is not None else None
    size = None if kind is None or count is None else int(count * dtype_size(kind.dtype))
    return {"name": name, "dtype": kind.dtype if kind is not None else None, "shape": shape, "bytes": size}


def _prove(runner: Runner, graph: Graph, files: Sequence[str], parts: Sequence[Part]) -> Proof:
    whole = graph.weights.source
    labels: list[str] = []
    worst, ok, first = 0.0, True, ""
    try:
        fixed = {name: graph.type(name) or kind for name, kind in runner.inputs(whole).items()}
        for label, given in feeds(fixed):
            labels.append(label)
            expected = runner.outputs(whole, given)
            found = composed(runner, files, parts, given)
            for name, values in expected.items():
                item = difference(name, values, found.get(name, values))  # a constant comes from no part
                worst = max(worst, inf if item.max_rel is None else item.max_rel)
                if not item.bit_equal:
                    ok, first = False, first or name
    except DlalintError as error:
        cure = "Give --no-verify to write them unproven."
        raise ProofError(f"the parts cannot be proven: {error.what}", where=whole, cure=cure) from None
    return Proof(tuple(labels), worst, ok, first)


def composed(runner: Runner, files: Sequence[str], parts: Sequence[Part], given: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor that the parts hand on when they run one after the other."""
    known = dict(given)
    for file, part in zip(files, parts, strict=True):
        known.update(runner.outputs(file, {name: known[name] for name in part.inputs}))
    return known


def heads(outcome: Outcome, graph: Graph) -> tuple[str, ...]:
    """The tensors behind which the GPU has to take over: a cut there leaves a first part that runs on the DLA as a whole.

    Empty when there is no such part, or when it holds less than half of the multiplications.
    """
    first: set[int] = set()
    for number, placed in enumerate(outcome.nodes):
        if placed.device in (Device.DLA, Device.FOLDED) and first.issuperset(sources(graph, number)):
            first.add(number)
    work = sum(outcome.nodes[number].macs for number in first)
    if 2 * work < sum(node.macs for node in outcome.nodes) or not work:
        return ()
    made = [name for number in sorted(first) for name in graph.nodes[number].output if name and not graph.is_constant(name)]
    return tuple(name for name in made if any(reader != NOT_A_NODE and reader not in first for reader in graph.consumers(name)))
