"""Files of tensors by name: ``.npz`` and what ``trtexec --exportOutput`` writes. Neither is trusted."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dlalint.errors import DlalintError, LimitError
from dlalint.model.tensors import quoted
from dlalint.numeric.trtexec_output import MalformedError, parse

MAX_BYTES = 4 << 30  # of all arrays of a file
MAX_TEXT_BYTES = 2 << 30
MAX_MEMBERS = 100_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NAME_BYTES = 65535  # of a zip archive's member
_AGAIN = "Write it again: dlalint run MODEL -o FILE, or numpy.savez."


class DumpError(DlalintError):
    """A file does not hold tensors that can be read."""

    default_code = "E140"


def read(path: str) -> tuple[dict[str, NDArray[Any]], bool]:
    """The arrays of a file by name, in its order, and whether it holds them with their element types (.npz) or as text (trtexec).

    Text has six digits and no types: its arrays are float64. Raises :class:`DumpError` or :class:`LimitError`.
    """
    try:
        with _opened(path) as file:
            head = file.read(512)
            file.seek(0)
            if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
                return _read_npz(file), True
            if head.lstrip()[:1] != b"[":
                raise DumpError(_kind(head), cure="Give an .npz file, or what trtexec --exportOutput wrote.", code="E141")
            if os.fstat(file.fileno()).st_size > MAX_TEXT_BYTES:
                raise LimitError(f"the file is larger than {MAX_TEXT_BYTES >> 30} GiB", cure="Export fewer tensors.", code="E206")
            return _parsed(file.read()), False
    except DlalintError as error:
        error.where = error.where or path
        raise
    except MemoryError:
        raise LimitError("it does not fit into memory", where=path, cure="Dump fewer tensors.", code="E206") from None


def read_npz(path: str) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file by name. Raises :class:`DumpError` or :class:`LimitError`."""
    arrays, typed = read(path)
    if not typed:
        raise DumpError("text of trtexec, not an .npz file", where=path, cure="Save the arrays with numpy.savez.", code="E141")
    return arrays


class _Pieces:
    """A file to write to that is kept as the pieces that were written: a dump is large enough to be in memory twice only."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.kept.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass


def npz(arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """The bytes, in pieces, of an ``.npz`` file whose keys are exactly the names: ``numpy.savez`` refuses some (``file``).

    The same arrays give the same bytes. Raises :class:`DumpError` for a name that no archive can hold.
    """
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:  # type: ignore[call-overload]
        for name, array in arrays.items():
            member = zipfile.ZipInfo("x", _EPOCH)
            member.filename = f"{name}.npy"  # afterwards: the constructor changes names
            member.external_attr = 0o644 << 16
            if "\0" in name or len(member.filename.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
                raise DumpError(f"the tensor name {quoted(name)} fits into no .npz file", cure="Rename the tensor.")
            with archive.open(member, "w", force_zip64=True) as out:
                npy.write_array(out, np.asarray(array), allow_pickle=False)
    return pieces.kept


def _opened(path: str) -> BinaryIO:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DumpError("it is not a regular file", cure="Give a file of tensors.", code="E110")
        return open(path, "rb")
    except FileNotFoundError:
        raise DumpError("there is no such file", cure="Check the path.", code="E111") from None
    except (OSError, ValueError) as error:
        what = f"it cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise DumpError(what, cure="Check the path.", code="E112") from None


def _kind(head: bytes) -> str:
    if not head:
        return "the file is empty"
    if head.startswith(b"\x93NUMPY"):
        return "a single array without a name (.npy)"
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5":
        return "a Python pickle, which is never loaded"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not fetched"
    return "no file of tensors"


def _read_npz(file: BinaryIO) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_BYTES:
                raise LimitError(f"it unpacks to more than {MAX_BYTES >> 30} GiB", cure="Dump fewer tensors.", code="E206")
            arrays: dict[str, NDArray[Any]] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in arrays or name == member.filename:
                    fault = "there twice" if name in arrays else "no .npy array"
                    raise DumpError(f"its member {quoted(member.filename)} is {fault}", cure=_AGAIN)
                arrays[name] = _array(archive, member, name)
    except (DlalintError, MemoryError):
        raise
    except Exception as error:  # zipfile, its compressions and numpy raise all kinds of things on a damaged file
        raise DumpError(f"the .npz file is damaged ({_said(error)})", cure=_AGAIN) from None
    if not arrays:
        raise DumpError("the .npz file holds no array", cure=_AGAIN)
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    """One array. Its header is checked before anything is allocated, and no pickle is ever loaded."""
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise DumpError(f"the array {quoted(name)} has format {version[0]}.{version[1]}", cure=_AGAIN)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(stream)
        if dtype.hasobject:
            raise DumpError(f"the array {quoted(name)} is a Python pickle, which is never loaded", cure="Save arrays of numbers.")
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise DumpError(f"the array {quoted(name)} is of {dtype}", cure="Save arrays of numbers of at most 64 bits.")
        size = prod(shape) * dtype.itemsize
        data = stream.read(size + 1) if 0 <= size <= member.file_size else b""
        if len(data) != size or any(dim < 0 for dim in shape):
            raise DumpError(f"the array {quoted(name)} is damaged: its bytes do not make {shape}", cure=_AGAIN)
    flat = np.frombuffer(data, dtype)
    return flat.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order="F" if fortran else "C")


def _parsed(data: bytes) -> dict[str, NDArray[Any]]:
    try:
        arrays = parse(data.decode("utf-8", "surrogateescape"))
    except MalformedError as error:
        raise DumpError(f"not what trtexec --exportOutput writes: {error}", cure="Export it again.", code="E142") from None
    if not arrays:
        raise DumpError("the file holds no tensor", cure="Export it again, with marked outputs.", code="E142")
    return arrays


def _said(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n", 1)[0]
    return text[:200]
