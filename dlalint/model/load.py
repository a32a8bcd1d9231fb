"""Opening a model file: what it is, whether it is whole, and its structure."""

from __future__ import annotations

import codecs
import mmap
import os
import stat
from collections.abc import Iterable

from dlalint.errors import DlalintError, LimitError, ModelError, reason
from dlalint.graph import Graph, Model, volume
from dlalint.model.nodes import Known
from dlalint.model.order import check_order
from dlalint.model.read import Reader
from dlalint.model.stored import MAX_ELEMENTS, MAX_RANK, quoted

READ_WHOLE_BYTES = 64 << 20  # up to here one read(); above, mapped and hopped through
MAX_BYTES = (1 << 31) - 1  # protobuf's limit on one message
OLDEST_OPSET = 7
OLDEST_IR = 3
_AGAIN = "Export the model again."

# what is often found under an .onnx name: first bytes at an offset, what it is, what to do
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x1f\x8b", "gzip data", "Unpack it: gunzip."),
    (0, b"PK\x03\x04", "a zip archive", "Unpack it: unzip."),
    (0, b"\x28\xb5\x2f\xfd", "zstandard data", "Unpack it: zstd -d."),
    (0, b"\xfd7zXZ", "xz data", "Unpack it: unxz."),
    (0, b"BZh", "bzip2 data", "Unpack it: bunzip2."),
    (257, b"ustar", "a tar archive", "Unpack it: tar xf."),
    (4, b"TFL3", "a TensorFlow Lite model", "Export ONNX from the original model, or convert with tf2onnx."),
    (4, b"ORTM", "an ONNX Runtime .ort model", "Use the .onnx file it was made from."),
    (0, b"\x89HDF", "an HDF5 file (Keras weights)", "Convert with tf2onnx."),
    (0, b"ptrt", "a TensorRT engine", "dlalint reads the ONNX model the engine was built from."),
    (0, b"ftrt", "a TensorRT engine", "dlalint reads the ONNX model the engine was built from."),
    *((0, bytes((0x80, version)), "a Python pickle (PyTorch weights)", "Export with torch.onnx.export.") for version in range(2, 6)),
    (0, b"\x89PNG", "a PNG picture", "Give an ONNX model."),
    (0, b"\x7fELF", "a program", "Give an ONNX model."),
    (0, b"%PDF", "a PDF document", "Give an ONNX model."),
)


def load(path: str, *, digest: bool = False, known: Known | None = None) -> Model:
    """Read the structure of the model at ``path``; with ``digest`` its SHA-256 too (files up to 64 MiB, larger ones leave it empty).

    ``known`` holds what was read before and comes again, such as operators: models that are read with it share them.
    Raises :class:`ModelError` when the file is not an ONNX model that can be checked, :class:`LimitError` when it is too large or too deep.
    """
    try:
        return _load(path, digest, known or Known())
    except DlalintError as error:
        error.where = error.where or path or "''"
        raise


def parse(data: bytes, path: str, known: Known | None = None) -> Model:
    """Read a model that is in memory; ``path`` names it, ``known`` is as for :func:`load`.

    Raises :class:`ModelError` or :class:`LimitError`.
    """
    try:
        return _validated(Reader(data, known).model(path))
    except DlalintError as error:
        error.where = error.where or path
        raise


def _load(path: str, digest: bool, known: Known) -> Model:
    descriptor = _open(path)
    try:
        size = os.fstat(descriptor).st_size
        head = os.read(descriptor, 512)
        _sniff(path, head, size)
        if size > MAX_BYTES:
            raise LimitError(
                f"the file has {size} bytes, more than one protobuf message may (2 GiB)",
                cure="Save its weights as external data.",
                code="E202",
            )
        if size <= READ_WHOLE_BYTES:
            with open(descriptor, "rb", closefd=False) as file:
                file.seek(0)
                data = file.read(size)
            model = Reader(data, known).model(path)
            return _validated(model._replace(digest=_sha256(data) if digest else ""))
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as mapped:
            if hasattr(mmap, "MADV_RANDOM"):  # pragma: no branch - Windows has none
                mapped.madvise(mmap.MADV_RANDOM)  # hopping over weights must not read them ahead
            return _validated(Reader(mapped, known).model(path))
    finally:
        os.close(descriptor)


def _sha256(data: bytes) -> str:
    import hashlib  # loads OpenSSL, which takes 3 ms

    return hashlib.sha256(data).hexdigest()


def _open(path: str) -> int:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise ModelError("it is a folder that holds no .onnx file", cure="Give a model file.", code="E110")
        if not stat.S_ISREG(mode):
            raise ModelError("it is not a regular file", cure="Give a model file.", code="E110")
        return os.open(path, flags)
    except FileNotFoundError:
        raise ModelError("there is no such file", cure="Check the path.", code="E111") from None
    except PermissionError:
        raise ModelError("it may not be read", cure="Check its permissions.", code="E112") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"it cannot be opened ({reason(error)})", cure="Check the path.", code="E112") from None


def _sniff(path: str, head: bytes, size: int) -> None:
    if not head:
        raise ModelError("the file is empty", cure="Export or download the model again.", code="E120")
    if head.startswith(b"version https://git-lfs"):
        amount = next((line[5:].decode("ascii", "replace") for line in head.splitlines() if line.startswith(b"size ")), "?")
        raise ModelError(
            f"a Git LFS pointer, not a model ({amount} bytes not fetched)", cure=f'Run: git lfs pull --include "{path}".', code="E121"
        )
    for offset, magic, what, cure in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            raise ModelError(f"{what}, not an ONNX model", cure=cure, code="E122")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        raise ModelError("a safetensors file, not an ONNX model", cure="Export the model with torch.onnx.export.", code="E122")
    kind, cure = _text_kind(head)
    if kind:
        raise ModelError(f"{kind}, not a binary ONNX model", cure=cure, code="E123")


def _text_kind(head: bytes) -> tuple[str, str]:
    """What kind of text ``head`` is and what to do about it; empty when it is binary."""
    give = "Give the binary .onnx file."
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16 text", give
    if any(byte < 9 or 13 < byte < 32 for byte in head) or not _is_utf8(head):
        return "", ""
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"ir_version" in stripped or b"irVersion" in stripped:
        return "ONNX in a text form", "Save the model in the binary form: onnx.save(model, path)."
    if stripped[:1] == b"<":
        return "an HTML or XML page", "Download the file itself, not the page about it."
    return ("JSON text" if stripped[:1] in (b"{", b"[") else "text"), give


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _validated(model: Model) -> Model:
    if not model.ir_version and not model.opsets:
        raise ModelError("not an ONNX model: the header has neither an IR version nor an operator set", cure=_AGAIN, code="E102")
    if not 0 < model.ir_version < 1 << 16:
        raise ModelError(f"not an ONNX model: IR version {model.ir_version} does not exist", cure=_AGAIN, code="E103")
    if model.ir_version < OLDEST_IR:
        raise ModelError(f"IR version {model.ir_version} is older than {OLDEST_IR}, the oldest TensorRT reads", cure=_AGAIN, code="E103")
    if "" not in model.opsets and any(not node.op.domain for node in model.graph.nodes):
        raise ModelError("the model names no version of the standard operator set", cure=_AGAIN, code="E103")
    if model.opsets.get("", OLDEST_OPSET) < OLDEST_OPSET:
        raise ModelError(
            f"operator set {model.opset} is older than {OLDEST_OPSET}, the oldest TensorRT reads",
            cure=f"Convert it: onnx.version_converter.convert_version(model, {OLDEST_OPSET + 6}).",
            code="E103",
        )
    check_order(model)
    _check_inputs(model.graph)
    return model


def _check_inputs(graph: Graph) -> None:
    for name in graph.inputs:
        declared = graph.declared.get(name)
        shape = (declared.shape if declared else None) or ()
        sizes = tuple(dim for dim in shape if isinstance(dim, int))
        wrong = next((dim for dim in sizes if dim < 0 or dim >= 1 << 31), None)
        if wrong is not None:
            raise ModelError(
                f"input {quoted(name)} has the impossible dimension {wrong}",
                cure="A free dimension is written as a name; fix it with --shape.",
                code="E104",
            )
        if len(shape) > MAX_RANK or volume(tuple(filter(None, sizes))) >= MAX_ELEMENTS:
            raise ModelError(f"input {quoted(name)} is impossibly large: {len(shape)} dimensions", cure=_AGAIN, code="E104")


def find_models(paths: Iterable[str]) -> list[str]:
    """The model files that ``paths`` mean: files as given, every ``*.onnx`` below a folder, and the matches of a pattern, sorted."""
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            found += _inside(path) or [path]
        elif not os.path.lexists(path) and any(char in path for char in "*?["):
            found += _matches(path) or [path]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _inside(folder: str) -> list[str]:
    files = (os.path.normpath(os.path.join(where, name)) for where, _, names in os.walk(folder) for name in names)
    return sorted(path for path in files if path.endswith(".onnx") and not os.path.isdir(path))


def _matches(pattern: str) -> list[str]:
    import glob

    try:
        return sorted(path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path))
    except ValueError:  # an embedded null byte
        return []
