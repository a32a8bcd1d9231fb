"""A build saved as a test case: the model's structure, and where each node ran."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import click

from dlalint.assemble import node_ids
from dlalint.cli.native import load
from dlalint.graphview import GraphView
from dlalint.model import save
from dlalint.pipeline import Session
from dlalint.report.layout import counted
from dlalint.trtexec.result import Compared

_KEPT = re.compile(r"[^A-Za-z0-9._-]+")


def write_case(session: Session, result: Compared, view: GraphView, folder: str, source: str, *, hashed: bool) -> None:
    """Write ``folder``/graphs/NAME.onnx and ``folder``/builds/NAME.json, in the form that tests/cases/score.py reads.

    Raises :class:`dlalint.model.save.WriteError` when they cannot be written, are there already, or when the model without its weights
    is not predicted as the model.
    """
    load("onnx")
    from dlalint.rewrite.anonymous import anonymous, hasher

    target = result.found.outcome.target
    path = view.model.path
    rename = hasher(path) if hashed else None
    stem = os.path.splitext(os.path.basename(path))[0]
    name = f"{rename(stem) if rename is not None else _KEPT.sub('-', stem)}-{target.name}-{target.precision}"
    graph, build = (os.path.join(folder, part, name + end) for part, end in (("graphs", ".onnx"), ("builds", ".json")))
    for file in (graph, build):
        if os.path.lexists(file):
            raise save.WriteError("it is there already", where=file, cure="Give another folder, or remove it.", code="E401")
    shapes = {name: dims for name in view.inputs if (dims := view.types[name].dims) is not None}
    data = anonymous(path, f"{name}.onnx.data", shapes, rename)
    ids = _reproduced(session, result, data, graph)
    text = json.dumps(_document(result, name, ids, source), indent=1, ensure_ascii=True) + "\n"
    for file in (graph, build):
        os.makedirs(os.path.dirname(file), exist_ok=True)
    save.write([data], graph, what="the test case")
    save.write_text(text, build, "the test case")
    click.echo(f"wrote {graph} and {build}", err=True)
    if not result.found.agrees:
        click.echo("the build differs from the prediction: tests/cases/disagreements.toml wants the reason", err=True)


def _reproduced(session: Session, result: Compared, data: bytes, path: str) -> tuple[str, ...]:
    """The ids of the nodes in the model that is to be written, which must be predicted as the one it comes from."""
    view = session.view_bytes(data, path)
    again = session.check(view, result.found.outcome.target)
    if [node.device for node in again.nodes] != [node.device for node in result.found.outcome.nodes]:
        what = "without its weights the model is predicted otherwise, so that it makes no test case"
        raise save.WriteError(what, where=path, cure="Please report it with the operators of the model.", code="E401")
    return node_ids(view)


def _document(result: Compared, graph: str, ids: tuple[str, ...], source: str) -> dict[str, Any]:
    found = result.found
    target = found.outcome.target
    told = [pair for pair in found.pairs if pair.real.device]
    sources = ", ".join(dict.fromkeys(pair.real.basis for pair in told))
    release = result.story.engine.release
    built = f"TensorRT {release.first}" if release is not None and release.stated else f"TensorRT {target.release}"
    document: dict[str, Any] = {
        "graph": graph,
        "target": target.name,
        "precision": target.precision,
        "loadables": found.loaded,
        "source": source or f"a build with {built} on {target.soc.capitalize()} in {target.precision.upper()}, saved by dlalint compare",
        "note": f"Devices told by {sources}; not told of {counted(len(found.pairs) - len(told), 'node')}.",
    }
    if found.candidates is not None:
        document["candidates"] = found.candidates
    ends = [item.ends for item in found.loadables]
    if found.loaded == len(ends) and all(ends):
        document["loadable_ends"] = [[ids[pair[0]], ids[pair[1]]] for pair in ends if pair is not None]
    document["nodes"] = {ids[pair.node.number]: pair.real.device for pair in told}
    return document
