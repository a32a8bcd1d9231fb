"""The elements of a model's constants, read from their file when somebody needs them."""

from __future__ import annotations

import os

from dlalint.errors import ModelError
from dlalint.graph import Tensor
from dlalint.model.external import fault
from dlalint.model.stored import quoted


def payload(path: str, tensor: Tensor, start: int, length: int) -> bytes:
    """``length`` bytes of a tensor of the model at ``path`` from byte ``start`` on, little-endian elements in row-major order.

    Raises :class:`ModelError` when they are not stored so, or cannot be read.
    """
    if isinstance(tensor.payload, bytes) and tensor.form == "raw":
        return tensor.payload[start : start + length]
    where = tensor.where
    if where is None or tensor.form != "raw":
        raise ModelError(f"the elements of {quoted(tensor.name)} have no place in a file", where=path, code="E113")
    state = fault(path, where.file, where.offset + tensor.nbytes) if where.file else ""
    if state:
        what = f"the side file {quoted(where.file)} is {state}"
        raise ModelError(what, where=path, cure="Put the weights beside the model.", code="E113")
    file = os.path.join(os.path.dirname(path), where.file) if where.file else path
    try:
        with open(file, "rb") as stream:
            stream.seek(where.offset + start)
            found = stream.read(length)
    except OSError as error:
        raise ModelError(f"its weights cannot be read ({error.strerror})", where=file, cure="Check the file.", code="E112") from None
    if len(found) < length:
        raise ModelError(f"the weights {quoted(tensor.name)} are cut off", where=path, cure="Fetch the file again.", code="E113")
    return found
