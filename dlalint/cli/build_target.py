"""The target that a build was for: from its files where they say it, else from the options; a contradiction is refused."""

from __future__ import annotations

from typing import NamedTuple

from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import names, parse
from dlalint.errors import UsageError
from dlalint.target import Target
from dlalint.trtexec.asked import Asked, version, within


class Chosen(NamedTuple):
    """The target, and in words where each part of it is from."""

    target: Target
    said: tuple[str, ...]


def choose(asked: Asked, book: RuleSet, name: str | None, precision: str | None) -> Chosen:
    """The target of the build. Raises :class:`UsageError`: E541 when it cannot be told, E542 when option and file contradict each other."""
    if precision is not None and asked.precision and precision != asked.precision:
        what = f"the files are of a build in {asked.precision.upper()}"
        raise UsageError(what, where=f"--precision {precision}", cure="Leave the option out.", code="E542")
    mode = precision or asked.precision or "fp16"
    said = [] if asked.precision else [f"{mode.upper()} {'by --precision' if precision else 'as nothing says INT8'}"]
    if name is None:
        target = parse(_only(asked, book), book, mode)
        assert asked.release is not None
        words = [f"TensorRT {asked.release.first}", asked.soc.capitalize(), mode.upper() if asked.precision else ""]
        if not asked.soc:
            said.insert(0, f"{target.soc.capitalize()}, as no other SoC has that release")
        return Chosen(target, (f"{', '.join(word for word in words if word)} by the files", *said))
    target = parse(name, book, mode)
    _agree(target, asked)
    release = asked.release
    if release is not None and not release.stated and not within(target.trt, release):
        last = f" to {release.last}" if release.last else " or later"
        said.append(f"the profile has the form of TensorRT {release.first}{last}, which is not the target's")
    return Chosen(target, ("by --target", *said))


def _agree(target: Target, asked: Asked) -> None:
    if asked.version is not None and asked.version != target.trt:
        assert asked.release is not None
        what = f"the files are of TensorRT {asked.release.first}"
        raise UsageError(what, where=f"--target {target.name}", cure="Leave the option out, or give the release that built.", code="E542")
    if asked.soc and asked.soc != target.soc:
        what = f"the files are of a build on {asked.soc.capitalize()}"
        raise UsageError(what, where=f"--target {target.name}", cure="Leave the option out, or give that SoC.", code="E542")


def _only(asked: Asked, book: RuleSet) -> str:
    """The one target that the files can mean."""
    release = asked.release
    if release is None or not release.stated:
        hint = "" if release is None else f"; by its form it is of {release.first}{f' to {release.last}' if release.last else ' or later'}"
        raise UsageError(f"the files do not name the TensorRT release{hint}", where="--target", cure="Give --target.", code="E541")
    wanted = version(release.first)
    known = [name for name in names(book) if version(name.partition("-trt")[2]) == wanted]
    full = [name for name in known if name.partition("-trt")[2] == release.first]
    socs = dict.fromkeys(name.partition("-trt")[0] for name in known)
    if asked.soc in socs:
        socs = {asked.soc: None}
    if not socs:
        what = f"no limits of TensorRT {wanted[0]}.{wanted[1]} are known"
        raise UsageError(what, where="--target", cure="`dlalint targets` lists the releases; build with one of them.", code="E541")
    if asked.soc and asked.soc not in socs:
        what = f"no limits of TensorRT {wanted[0]}.{wanted[1]} on {asked.soc.capitalize()} are known"
        raise UsageError(what, where="--target", cure="`dlalint targets` lists what is.", code="E541")
    if len(socs) > 1:
        choices = " or ".join(f"{soc}-trt{wanted[0]}.{wanted[1]}" for soc in socs)
        what = f"the files name TensorRT {release.first}, but no SoC"
        raise UsageError(what, where="--target", cure=f"Give {choices}.", code="E541")
    soc = next(iter(socs))
    exact = next((name for name in full if name.startswith(f"{soc}-")), None)
    return exact or f"{soc}-trt{wanted[0]}.{wanted[1]}"
