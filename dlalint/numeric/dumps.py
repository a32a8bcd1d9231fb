"""Files of tensors by name: ``.npz`` and what ``trtexec --exportOutput`` writes. Neither is trusted."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from math import prod
from typing import IO, Any, BinaryIO, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dlalint.errors import DlalintError, LimitError
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.trtexec_output import MalformedError, parse

MAX_BYTES = 4 << 30  # of all arrays of a file
MAX_TEXT_BYTES = 2 << 30
MAX_MEMBERS = 100_000
_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")
_ARRAY = b"\x93NUMPY"
_SOLE = "the array"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NAME_BYTES = 65535  # of a zip archive's member
_AGAIN = "Write it again: dlalint run MODEL -o FILE, or numpy.savez."


Found = TypeVar("Found")


class Header(NamedTuple):
    """What an array file says of its array before the elements."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


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
            if head[:4] in _ARCHIVE:
                return _read_npz(file, _elements), True
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


def read_arrays(path: str) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file by name; that of an ``.npy`` file has the name "". Raises as :func:`read_npz` does."""
    return _reading(
        path, lambda file: _read_npz(file, _elements), lambda file: {"": _elements(file, os.fstat(file.fileno()).st_size, _SOLE)}
    )


def read_headers(path: str) -> dict[str, Header]:
    """Shapes and element types of what :func:`read_arrays` gives, which are all that is read of the file. Raises as it does."""
    return _reading(path, lambda file: _read_npz(file, _header), lambda file: {"": _header(file, 0, _SOLE)})


def _reading(path: str, npz: Callable[[BinaryIO], dict[str, Found]], npy: Callable[[BinaryIO], dict[str, Found]]) -> dict[str, Found]:
    try:
        with _opened(path) as file:
            head = file.read(512)
            file.seek(0)
            if head[:4] in _ARCHIVE:
                return npz(file)
            if not head.startswith(_ARRAY):
                raise DumpError(_kind(head), cure="Give .npz or .npy files.", code="E141")
            return _undamaged(lambda: npy(file), "file")
    except DlalintError as error:
        error.where = error.where or path
        raise
    except MemoryError:
        raise LimitError("it does not fit into memory", where=path, cure="Split it into several files.", code="E206") from None


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
    if head.startswith(_ARRAY):
        return "a single array without a name (.npy)"
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5":
        return "a Python pickle, which is never loaded"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not fetched"
    return "no file of tensors"


def _header(stream: IO[bytes], _: int, what: str) -> Header:
    """Shape, order and element type of an array. No pickle is ever loaded."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DumpError(f"{what} has format {version[0]}.{version[1]}", cure=_AGAIN)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise DumpError(f"{what} is a Python pickle, which is never loaded", cure="Save arrays of numbers.")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise DumpError(f"{what} is of {dtype}", cure="Save arrays of numbers of at most 64 bits.")
    if any(dim < 0 for dim in shape):
        raise DumpError(f"{what} is damaged: its bytes do not make {shape}", cure=_AGAIN)
    return Header(shape, dtype, fortran)


def _elements(stream: IO[bytes], there: int, what: str) -> NDArray[Any]:
    """One array of a file or member of ``there`` bytes. Its header is checked before anything is allocated."""
    shape, dtype, fortran = _header(stream, there, what)
    size = prod(shape) * dtype.itemsize
    if MAX_BYTES < size <= there:
        raise LimitError(f"{what} has more than {MAX_BYTES >> 30} GiB", cure="Split it into several files.", code="E206")
    data = stream.read(size + 1) if size <= there else b""
    if len(data) != size:
        raise DumpError(f"{what} is damaged: its bytes do not make {shape}", cure=_AGAIN)
    flat = np.frombuffer(data, dtype)
    return flat.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order="F" if fortran else "C")


def _read_npz(file: BinaryIO, part: Callable[[IO[bytes], int, str], Found]) -> dict[str, Found]:
    """The ``part`` of each array of an archive, by name."""
    arrays = _undamaged(lambda: _members(file, part), ".npz file")
    if not arrays:
        raise DumpError("the .npz file holds no array", cure=_AGAIN)
    return arrays


def _undamaged(read: Callable[[], dict[str, Found]], what: str) -> dict[str, Found]:
    try:
        return read()
    except (DlalintError, MemoryError):
        raise
    except Exception as error:  # zipfile, its compressions and numpy raise all kinds of things on a damaged file
        raise DumpError(f"the {what} is damaged ({_said(error)})", cure=_AGAIN) from None


def _members(file: BinaryIO, part: Callable[[IO[bytes], int, str], Found]) -> dict[str, Found]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_BYTES:
            raise LimitError(f"it unpacks to more than {MAX_BYTES >> 30} GiB", cure="Dump fewer tensors.", code="E206")
        arrays: dict[str, Found] = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in arrays or name == member.filename:
                fault = "there twice" if name in arrays else "no .npy array"
                raise DumpError(f"its member {quoted(member.filename)} is {fault}", cure=_AGAIN)
            with archive.open(member) as stream:
                arrays[name] = part(stream, member.file_size, f"the array {quoted(name)}")
    return arrays


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
