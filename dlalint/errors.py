"""The errors dlalint raises: each says what, where, and what to do, in one line."""

from __future__ import annotations


class DlalintError(Exception):
    """Base of all errors a user can meet.

    ``code`` is stable (E1xx input, E2xx limit, E3xx native crash, E4xx write, E5xx usage, E6xx rule data).
    ``what`` names the fault, ``cure`` what to do about it, ``where`` the file or option it belongs to.
    """

    default_code = "E900"

    def __init__(self, what: str, *, where: str = "", cure: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.cure = cure
        self.code = code or self.default_code

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{where}error[{self.code}]: {self.what}.{cure}"


def reason(error: OSError | ValueError) -> str:
    """Why a path was refused, in the words of the system; a null byte in it is told by no system, and differently by each Python."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else "embedded null byte"


class ModelError(DlalintError):
    """The file is not a model that can be read."""

    default_code = "E100"


class LimitError(DlalintError):
    """A safety limit on size, depth or time was reached."""

    default_code = "E200"


class UsageError(DlalintError):
    """An option or a name on the command line makes no sense."""

    default_code = "E500"


class RuleDataError(DlalintError):
    """The rule files contradict themselves or cannot be found."""

    default_code = "E600"
