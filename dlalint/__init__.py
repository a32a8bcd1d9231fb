"""dlalint: predict what TensorRT puts on the Deep Learning Accelerator of a Jetson or DRIVE board, without one."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlalint.plan import Outcome

__version__ = "0.1.0"
__all__ = ["__version__", "check"]


def check(
    model: str | PathLike[str],
    target: str = "",
    *,
    precision: str = "fp16",
    batch: int | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Outcome:
    """The predicted build of the ONNX file ``model`` on ``target`` (the default target when empty).

    ``batch`` and ``shapes`` (by input name) fix free dimensions. Raises :class:`dlalint.errors.DlalintError` when the file is not a model
    that can be checked, or an argument makes no sense. To check many models, share one :class:`dlalint.pipeline.Session`.
    """
    from dlalint.engine.targets import parse
    from dlalint.model.inputs import Overrides
    from dlalint.pipeline import Session

    with Session(digest=True) as session:
        wanted = parse(target or session.rules.index["default"], session.rules, precision)
        return session.check(session.view(str(model), Overrides(shapes or {}, batch)), wanted)
