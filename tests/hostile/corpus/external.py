"""Weights in side files that lie elsewhere, are none, or are said to be what they are not."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from tests.hostile.corpus.case import Case, conv, graph_of, nothing

SIZE = 8 * 8 * 9 * 4
CANARY = b"CANARY-" * 1000
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 102400000\n"
NUMBERS = (" 0 ", "1_0", "\u0661\u0662", "-1", "+4", "0x10", "1e3", "", "4.0", "9" * 19, "9" * 20, "9" * 400, "\x00", "007", "None")
LOCATIONS = (
    "../canary.txt",
    "a/../../canary.txt",
    "/etc/passwd",
    "/proc/self/environ",
    "/dev/zero",
    "C:\\windows\\win.ini",
    "\\\\host\\share",
    "..\\canary.txt",
    "file:///etc/passwd",
    "https://example.com/w.bin",
    "*/_ORT_MEM_ADDR_/*",
    "",
    ".",
    "..",
    "a\x00b",
    "n" * 5000,
    "w.bin/",
    "./w.bin",
    "a//w.bin",
    "~/w.bin",
    "$HOME/w.bin",
)


def _put(content: bytes, name: str = "w.bin") -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return put


def _link(folder: Path) -> None:
    _outside(folder)
    (folder / "w.bin").symlink_to("../canary.txt")


def _link_inside(folder: Path) -> None:
    (folder / "real.bin").write_bytes(bytes(SIZE))
    (folder / "w.bin").symlink_to("real.bin")


def _hard_link(folder: Path) -> None:
    _outside(folder)
    os.link(folder.parent / "canary.txt", folder / "w.bin")


def _linked_folder(folder: Path) -> None:
    _outside(folder)
    (folder / "a").symlink_to("..", target_is_directory=True)


def _outside(folder: Path) -> None:
    (folder.parent / "canary.txt").write_bytes(CANARY)


def _sparse(folder: Path) -> None:
    with (folder / "w.bin").open("wb") as file:
        file.truncate(3 << 30)


def _ring(folder: Path) -> None:
    (folder / "w.bin").symlink_to("w.bin")


SIDES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "symlink": ("w.bin", _link),
    "symlink_inside": ("w.bin", _link_inside),
    "hard_link": ("w.bin", _hard_link),
    "linked_folder": ("a/canary.txt", _linked_folder),
    "ring": ("w.bin", _ring),
    "fifo": ("w.bin", lambda folder: os.mkfifo(folder / "w.bin")),
    "folder": ("w.bin", lambda folder: (folder / "w.bin").mkdir()),
    "device": ("w.bin", lambda folder: (folder / "w.bin").symlink_to("/dev/zero")),
    "process": ("w.bin", lambda folder: (folder / "w.bin").symlink_to("/proc/self/environ")),
    "sparse": ("w.bin", _sparse),
    "pointer": ("w.bin", _put(POINTER)),
    "short": ("w.bin", _put(bytes(8))),
    "empty": ("w.bin", _put(b"")),
    "whole": ("w.bin", _put(bytes(SIZE))),
    "model": ("model.onnx", nothing),
    "missing": ("w.bin", nothing),
}


def cases(source: random.Random) -> Iterator[Case]:
    """Some eighty."""
    for location in LOCATIONS:
        yield Case("location", outside(("location", location)).SerializeToString(), True if not location else None, _outside)
    for number in NUMBERS:
        for key in ("offset", "length"):
            proto = outside(("location", "w.bin"), (key, number))
            fits = not number or (number.isascii() and number.isdigit() and len(number) < 20)
            yield Case(key, proto.SerializeToString(), None if fits else True, _put(bytes(SIZE)))
    for name, (location, prepare) in SIDES.items():
        yield Case(name, outside(("location", location)).SerializeToString(), False, prepare)
        if source.randrange(2):
            yield Case(
                f"{name}_part", outside(("location", location), ("offset", "4"), ("length", str(SIZE))).SerializeToString(), False, prepare
            )
    for key in ("checksum", "__class__", "basepath", "", "k" * 5000, "\x1b[1m"):
        yield Case("key", outside(("location", "w.bin"), (key, "../canary.txt")).SerializeToString(), None, _put(bytes(SIZE)))
    yield Case("twice", outside(("location", "w.bin"), ("location", "../canary.txt")).SerializeToString(), True)
    yield from _elsewhere()


def outside(*entries: tuple[str, str]) -> ModelProto:
    """A model whose first weight lies where ``entries`` say."""
    proto = conv()
    _moved(proto.graph.initializer[0], *entries)
    return proto


def _moved(tensor: TensorProto, *entries: tuple[str, str]) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)


def _elsewhere() -> Iterator[Case]:
    """References that are not among the weights of the graph."""
    tensor = TensorProto(name="t", data_type=1, dims=[1])
    _moved(tensor, ("location", "../canary.txt"))
    attribute = conv()
    attribute.graph.node.insert(0, helper.make_node("Constant", [], ["k"], value=tensor))
    body = graph_of([helper.make_node("Relu", ["t"], ["z"])], ["z"])
    body.initializer.append(tensor)
    branch = conv()
    branch.graph.initializer.append(helper.make_tensor("k", TensorProto.BOOL, (), [True]))
    branch.graph.node.append(helper.make_node("If", ["k"], ["z"], then_branch=body, else_branch=body))
    function = conv()
    function.graph.node[1].domain, function.graph.node[1].op_type = "f", "F"
    inner = [helper.make_node("Constant", [], ["k"], value=tensor), helper.make_node("Add", ["p", "k"], ["r"])]
    function.functions.append(helper.make_function("f", "F", ["p"], ["r"], inner, [helper.make_opsetid("", 17)]))
    for name, proto in (("attribute", attribute), ("body", branch), ("function", function)):
        yield Case(name, proto.SerializeToString(), False, _outside)
    hundreds = conv()
    for index in range(500):
        weight = hundreds.graph.initializer.add(name=f"w{index}", data_type=1, dims=[1 << 20, 100])
        _moved(weight, ("location", "w.bin"))
    yield Case("hundreds", hundreds.SerializeToString(), False, _sparse)
