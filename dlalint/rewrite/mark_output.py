"""Tensors made graph outputs, so that a run on the device shows what they hold; and what that costs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from dlalint.errors import DlalintError, LimitError, ModelError, UsageError
from dlalint.graph import Device, Model, TensorType
from dlalint.graphview import GraphView
from dlalint.model import save
from dlalint.model.inputs import Overrides
from dlalint.model.marking import Rest, marked
from dlalint.model.skeleton import excise
from dlalint.model.tensors import KEEP_INTEGER_BYTES
from dlalint.named_tuple import NamedTuple
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.rewrite.dump_command import dump_command
from dlalint.rewrite.fusions import Fusions
from dlalint.rewrite.marks import Candidate, Choice, Chosen, candidates, choose, needed
from dlalint.rewrite.side_files import copied, side_files
from dlalint.target import Target

MAX_FILE_NAME = 120


class Request(NamedTuple):
    """What to make of a model: ``output`` is the path of the marked one, ``names`` that of its name map (none when ``None``)."""

    choice: Choice
    output: str
    only: bool = False
    names: str | None = None
    copy_data: bool = False
    in_place: bool = False


class Marked(NamedTuple):
    """A marked model. ``source`` was read, ``output`` written, unless ``written`` is false: then there was nothing to change in place.

    ``outputs`` are those of the marked model that its nodes make. ``shapeless`` are the new ones written without a shape.
    ``dropped`` counts the nodes that went with the other outputs. ``fusions`` are chains of node ids that the marks cut, ``inside`` counts
    the new outputs in the middle of a loadable. ``moved`` are the ids of nodes on another device than before.
    ``beside`` are the side files that the marked model needs in its folder, ``copied`` says that they were put there.
    """

    source: str
    output: str
    written: bool
    chosen: Chosen
    outputs: tuple[Candidate, ...]
    shapeless: tuple[str, ...]
    dropped: int
    fusions: tuple[tuple[str, ...], ...]
    inside: int
    before: Outcome
    after: Outcome
    moved: tuple[str, ...]
    beside: tuple[str, ...]
    copied: bool
    names: str | None
    command: str


class _Plan(NamedTuple):
    """What is written: ``new`` with their types as further outputs, of the others ``rest`` (all when ``None``), beside ``side_files``.

    ``outputs`` and ``nodes``, each by what it makes, are those that the marked model has then.
    """

    new: tuple[tuple[str, TensorType], ...]
    rest: Rest | None
    outputs: tuple[str, ...]
    nodes: tuple[tuple[str, ...], ...]
    side_files: tuple[str, ...]
    written: bool


def mark_output(session: Session, path: str, target: Target, fixed: Overrides, request: Request) -> Marked:
    """Write the model at ``path`` with the chosen tensors as outputs; the weights are copied by the kernel and never read.

    ``fixed`` holds for what is reported; the types of the new outputs are those of the file. The model is written first, then its map.
    Raises :class:`DlalintError`; the model at ``output`` is then as it was, unless it is the map that could not be written.
    """
    since = {path: save.state(path)} if os.path.isfile(path) else {}
    view = opened(session, path, fixed)
    before = after = session.check(view, target)
    chosen = choose(view, before, request.choice)
    apart = _check_places(path, side_files(view.model, path), request)
    stated = view.types if fixed == Overrides() else opened(session, path, Overrides()).types
    plan = _plan(view.model, chosen, stated, apart, request)
    if plan.written:
        results: list[Outcome] = []
        with copied(plan.side_files if request.copy_data else (), path, os.path.dirname(request.output)):
            save.write(
                marked(path, plan.new, plan.rest),
                request.output,
                since=since,
                approve=lambda temporary: results.append(_read_back(session, temporary, request.output, target, fixed, plan)),
            )
        (after,) = results
    found = _told(path, request, view, before, after, chosen, plan)
    if request.names is not None:
        save.write_text(name_map(found), request.names, "the name map")
    return found


def _told(path: str, request: Request, view: GraphView, before: Outcome, after: Outcome, chosen: Chosen, plan: _Plan) -> Marked:
    made = {item.tensor: item for item in candidates(view, before)}
    return Marked(
        source=path,
        output=request.output,
        written=plan.written,
        chosen=chosen,
        outputs=tuple(made[name] for name in plan.outputs if name in made),
        shapeless=tuple(name for name, kind in plan.new if kind.shape is None),
        dropped=len(view.model.graph.nodes) - len(plan.nodes),
        fusions=_cut(view, before, chosen.new, plan.rest),
        inside=_inside(after, chosen.new),
        before=before,
        after=after,
        moved=_moved(before, after),
        beside=plan.side_files,
        copied=request.copy_data and bool(plan.side_files),
        names=request.names,
        command=dump_command(request.output, view, before.target, has_dla=before.status != "no-dla"),
    )


def opened(session: Session, path: str, fixed: Overrides) -> GraphView:
    """The view of a model file, without its large weights: a page of each that is only looked at can take 2 MB of memory."""
    try:
        return session.view_bytes(excise(path, KEEP_INTEGER_BYTES), path, fixed)
    except (ModelError, LimitError):
        return session.view(path, fixed)  # which knows better what is wrong with the file


def _plan(model: Model, chosen: Chosen, stated: Mapping[str, TensorType], apart: tuple[str, ...], request: Request) -> _Plan:
    graph = model.graph
    new = tuple((item.tensor, stated.get(item.tensor, TensorType("undefined", None))) for item in chosen.new)
    wanted = {item.tensor for item in chosen.already}
    outputs = (*(name for name in graph.outputs if not request.only or name in wanted), *(name for name, _ in new))
    nodes = tuple(node.outputs for node in graph.nodes)
    rest = None
    if request.only:
        kept, read = needed(model, outputs)
        given = (name for name in graph.inputs if name not in graph.constants)
        rest = Rest(kept, frozenset(outputs), read.union(given, *(nodes[index] for index in kept)))
        nodes = tuple(made for index, made in enumerate(nodes) if index in kept)
    changes = outputs != graph.outputs or len(nodes) < len(graph.nodes)
    return _Plan(new, rest, outputs, nodes, apart, changes or not request.in_place)


def _check_places(path: str, files: Sequence[str], request: Request) -> tuple[str, ...]:
    """Refuse to write over what is read. Returns the side files that the marked model will look for in another folder."""
    home, folder = (os.path.realpath(os.path.dirname(place)) for place in (path, request.output))
    read = {os.path.realpath(os.path.join(home, name)) for name in files} | {os.path.realpath(path)}
    if request.in_place:
        read.discard(os.path.realpath(request.output))
    for option, place in (("--output", request.output), ("--map", request.names)):
        if place is not None and os.path.realpath(place) in read:
            raise UsageError(f"{place!r} belongs to the model itself", where=option, cure="Give another path, or --in-place.", code="E512")
    if request.names is not None and os.path.realpath(request.names) == os.path.realpath(request.output):
        raise UsageError("the map and the model cannot be one file", where="--map", cure="Give another path.", code="E512")
    save.check_target(request.output)
    if request.names is not None:
        save.check_target(request.names, "the name map")
    return tuple(files) if folder != home else ()


def _read_back(session: Session, temporary: str, output: str, target: Target, fixed: Overrides, plan: _Plan) -> Outcome:
    """The outcome of the marked model as it was written; it must be what was meant."""
    try:
        view = opened(session, temporary, fixed)
        graph = view.model.graph
        if graph.outputs != plan.outputs or tuple(node.outputs for node in graph.nodes) != plan.nodes:
            raise save.WriteError("the marked model does not read back as it was meant", cure="Please report it.", code="E405")
        outcome = session.check(view, target)
        return outcome._replace(model=view.model._replace(path=output))
    except DlalintError as error:
        error.where = output
        raise


def _cut(view: GraphView, before: Outcome, marks: Sequence[Candidate], rest: Rest | None) -> tuple[tuple[str, ...], ...]:
    """The chains of nodes that the marks cut, those of nodes that all stay."""
    fusions = Fusions(view)
    chains = dict.fromkeys(fusions.across(item.tensor) for item in marks)
    return tuple(
        tuple(before.nodes[index].id for index in chain) for chain in chains if chain and (rest is None or rest.nodes.issuperset(chain))
    )


def _inside(after: Outcome, marks: Sequence[Candidate]) -> int:
    """How many marks a loadable hands out that it goes on to use itself."""
    names = {item.tensor for item in marks}
    found: set[str] = set()
    for segment in after.partition.segments:
        if segment.device is Device.DLA:
            used = {name for index in segment.layers for name in after.network.layers[index].inputs}
            found |= names & used & set(segment.outputs)
    return len(found)


def _moved(before: Outcome, after: Outcome) -> tuple[str, ...]:
    devices = {node.id: node.device for node in before.nodes}
    return tuple(node.id for node in after.nodes if devices.get(node.id, node.device) is not node.device)


def name_map(found: Marked) -> str:
    """The outputs of a marked model by tensor, as JSON: where each comes from, and a name for a file that holds it."""
    marks = {item.tensor for item in found.chosen.new}
    files = _file_names(item.tensor for item in found.outputs)
    outputs = {
        item.tensor: {"output": item.tensor, "marked": item.tensor in marks, **described(item), "file": file}
        for item, file in zip(found.outputs, files, strict=True)
    }
    document = {"schema": 1, "model": os.path.basename(found.source), "marked": os.path.basename(found.output), "outputs": outputs}
    return json.dumps(document, indent=1) + "\n"


def described(item: Candidate) -> dict[str, object]:
    """What a name map and a report say of a tensor."""
    return {
        "index": item.number,
        "node": item.node,
        "op_type": item.op_type,
        "domain": item.domain,
        "dtype": item.kind.dtype if item.kind is not None else None,
        "shape": list(item.kind.shape) if item.kind is not None and item.kind.shape is not None else None,
        "bytes": item.bytes,
    }


def _file_names(names: Iterable[str]) -> list[str]:
    """A name for each that any file system takes, no two alike where case does not count."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:MAX_FILE_NAME] or "tensor"
        if re.fullmatch(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", stem):
            stem = f"_{stem}"
        number, file = 1, stem
        while file.lower() in taken:
            number += 1
            file = f"{stem}_{number}"
        taken.add(file.lower())
        found.append(file)
    return found
