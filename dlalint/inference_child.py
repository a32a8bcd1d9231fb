"""The process behind :mod:`dlalint.worker`: onnx's C++ shape inference, one node at a time, and nothing else.

Started as ``python -I -S inference_child.py <path of onnx's extension module> <bytes of memory>``; imports nothing of dlalint, nothing of
onnx's Python side.
A request is a marshalled tuple from the parent, which is trusted; an answer is flat bytes, since this process is not once C++ has faulted.
"""

from __future__ import annotations

import marshal
import struct
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
from typing import Any, BinaryIO


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for name, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        hard = resource.getrlimit(name)[1]
        resource.setrlimit(name, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _extension(path: str) -> Any:
    loader = ExtensionFileLoader("onnx_cpp2py_export", path)
    module = module_from_spec(ModuleSpec("onnx_cpp2py_export", loader, origin=path))
    loader.exec_module(module)
    return module


def _answer(out: BinaryIO, status: int, *parts: bytes) -> None:
    body = struct.pack("<B", status) + b"".join(struct.pack("<I", len(part)) + part for part in parts)
    out.write(struct.pack("<I", len(body)) + body)
    out.flush()


def main() -> None:
    """Serve requests from stdin until it closes."""
    source, out = sys.stdin.buffer, sys.stdout.buffer
    module = _extension(sys.argv[1])
    _limit(int(sys.argv[2]))
    newest = module.defs.schema_version_map()[""][1]
    _answer(out, 0, str(newest).encode())
    module.defs.get_schema("Identity")  # registers all operators, which takes 15 ms: now, while the parent is busy
    while True:
        header = source.read(4)
        if len(header) < 4:
            return
        op_type, domain, version, node, types, data, opsets, ir_version = marshal.loads(source.read(struct.unpack("<I", header)[0]))
        try:
            schema = module.defs.get_schema(op_type, version, domain)
            found = schema._infer_node_outputs(node, types, data, {}, opsets, ir_version)
        except Exception as error:  # whatever the bindings raise is an answer, not a fault
            _answer(out, 1, str(error).encode("utf-8", "replace")[:2000])
        else:
            _answer(out, 0, *(part for name, value in found.items() for part in (name.encode(), value)))


if __name__ == "__main__":
    main()
