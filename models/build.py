"""Makes the models of this folder: real architectures with seeded random weights, the large weights in a side file that is not kept.

The graphs need torch and torchvision; --list and --data work without them.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from importlib import import_module
from pathlib import Path

import onnx
from onnx import ModelProto
from side_file import write_side_file

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

HERE = Path(__file__).resolve().parent
MANIFEST = HERE / "MANIFEST.toml"
Entry = dict[str, object]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(argv)
    if options.list:
        return _list()
    if options.data:
        return _data(options.names, options.output, options.zeros)
    return _check(options.names) if options.check else _build(options.names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to work on; all of the catalogue if none is given")
    job = parser.add_mutually_exclusive_group()
    job.add_argument("--list", action="store_true", help="list the models of the manifest")
    job.add_argument("--check", action="store_true", help="export again and compare with the kept graphs, byte by byte")
    job.add_argument("--data", action="store_true", help="write the side files of kept graphs, so that onnxruntime can run them")
    parser.add_argument("--zeros", action="store_true", help="with --data: a sparse file of zeros, made in no time")
    parser.add_argument("--output", type=Path, default=HERE, metavar="DIR", help="with --data: where to write (default: beside the graphs)")
    return parser


def _list() -> int:
    for name, entry in _read_manifest().items():
        print(f"{name:22} opset {entry['opset']:<3} {entry['nodes']:>5} nodes  {entry['exporter']}")
    return 0


def _data(names: list[str], folder: Path, zeros: bool) -> int:
    if not names:
        return _fail("--data needs the names of the models")
    for name in names:
        graph = HERE / f"{name}.onnx"
        if not graph.is_file():
            return _fail(f"no such model: {graph.name}")
        try:
            path = write_side_file(graph, folder, zeros)
        except (OSError, ValueError) as error:
            return _fail(str(error))
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


def _build(names: list[str]) -> int:
    from export import export_model, exporter_name
    from nets.catalogue import RECIPES

    entries = _read_manifest()
    for name in names or RECIPES:
        if name not in RECIPES:
            return _fail(f"not in the catalogue: {name}")
        recipe = RECIPES[name]
        model = export_model(name, recipe)
        data = model.SerializeToString(deterministic=True)
        (HERE / f"{name}.onnx").write_bytes(data)
        origin, licence = recipe.source
        entries[name] = describe(model, data, origin, licence, exporter_name(recipe))
        _write_manifest(entries)
        print(f"{name}.onnx: {len(model.graph.node)} nodes, {len(data):,} bytes")
    return 0


def _check(names: list[str]) -> int:
    from export import export_model, exporter_name
    from nets.catalogue import RECIPES

    entries = _read_manifest()
    differing = 0
    for name in names or RECIPES:
        if name not in RECIPES:
            return _fail(f"not in the catalogue: {name}")
        path = HERE / f"{name}.onnx"
        made = export_model(name, RECIPES[name]).SerializeToString(deterministic=True)
        same = path.is_file() and path.read_bytes() == made
        differing += not same
        exporter = exporter_name(RECIPES[name])
        kept = entries.get(name, {}).get("exporter", "nothing")
        print(f"{name}: {'same' if same else f'differs (kept: {kept}; here: {exporter})'}")
    return 1 if differing else 0


def describe(model: ModelProto, data: bytes, origin: str, licence: str, exporter: str) -> Entry:
    """The manifest's entry of a model and its bytes."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        "origin": origin,
        "licence": licence,
        "exporter": exporter,
        "opset": next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx")),
        "input": {item.name: _shape(item) for item in model.graph.input if item.name not in weights},
        "nodes": len(model.graph.node),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _shape(item: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in item.type.tensor_type.shape.dim]


def _read_manifest() -> dict[str, Entry]:
    if not MANIFEST.is_file():
        return {}
    entries: dict[str, Entry] = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    return entries


def _write_manifest(entries: dict[str, Entry]) -> None:
    lines = ["# What each model is and where it comes from. Made models: build.py writes their tables.\n"]
    for name, entry in sorted(entries.items()):
        lines.append(f"\n[{name}]\n")
        lines.extend(f"{key} = {_toml(value)}\n" for key, value in entry.items())
    MANIFEST.write_text("".join(lines), encoding="utf-8", newline="\n")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_toml(item)}' for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _fail(message: str) -> int:
    print(f"build.py: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
