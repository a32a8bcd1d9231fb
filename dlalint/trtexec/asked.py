"""What was built, as far as the files of the engine say: release, SoC, precision, input shapes."""

from __future__ import annotations

import re

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.engine import Engine, Release

_SHAPES = re.compile(r"--(?:shapes|optShapes)=(\S{1,4096})")
_SHAPE = re.compile(r"['\"]?(.{1,1024}?)['\"]?:(\d{1,10}(?:x\d{1,10}){0,15})(?:,|$)")


class Asked(NamedTuple):
    """What the files state. ``release`` is ``None`` when they neither name nor imply one, ``soc`` and ``precision`` are empty then."""

    release: Release | None
    soc: str
    precision: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def version(self) -> tuple[int, int] | None:
        """The release where a file names it."""
        return version(self.release.first) if self.release is not None and self.release.stated else None


def asked(engine: Engine) -> Asked:
    """What the files of ``engine`` say on how it was built."""
    build = engine.build
    if build is None:
        return Asked(engine.release, "", "", ())
    device = build.device.lower()
    soc = next((name for name in _SOCS if name in device), "")
    modes = set(build.precision) or {mode for flag, mode in _FLAGS if flag in build.command.split()}
    precision = "int8" if "INT8" in modes else "fp16" if "FP16" in modes else ""
    found = _SHAPES.search(build.command)
    shapes = _SHAPE.findall(found[1]) if found else []
    return Asked(engine.release, soc, precision, tuple((name, tuple(int(dim) for dim in dims.split("x"))) for name, dims in shapes))


_SOCS = ("xavier", "orin", "thor")
_FLAGS = (("--int8", "INT8"), ("--best", "INT8"), ("--fp16", "FP16"))


def version(release: str) -> tuple[int, int]:
    """Major and minor number of a release such as ``8.5.3``."""
    parts = [int(part) for part in release.split(".")[:2] if part.isdigit()]
    return (parts[0], parts[1] if len(parts) > 1 else 0) if parts else (0, 0)


def within(target: tuple[int, int], release: Release) -> bool:
    """Whether a target's release can have written the files."""
    if release.stated:
        return target == version(release.first)
    after = not release.last or target <= version(release.last)
    return version(release.first) <= target and after
