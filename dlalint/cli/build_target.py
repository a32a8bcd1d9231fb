"""The target that a build was for: by the options, by its files, by the configuration; options that contradict the files are refused."""

from __future__ import annotations

from contextlib import suppress

from dlalint.config import Effective
from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import names, parse
from dlalint.errors import UsageError
from dlalint.named_tuple import NamedTuple
from dlalint.target import Target
from dlalint.trtexec.asked import Asked, version, within


class Chosen(NamedTuple):
    """The target, and in words where each part of it is from."""

    target: Target
    said: tuple[str, ...]


def choose(asked: Asked, book: RuleSet, settings: Effective) -> Chosen:
    """The target of the build; what ``settings`` have from the configuration is asked only where the files say nothing.

    Raises :class:`UsageError`: E541 when it cannot be told, E542 when option and file contradict each other.
    """
    found, origins = settings.settings, settings.origins
    own = {field: origins[field] == ("command line",) for field in ("target", "precision")}
    name = found.target[0] if found.target and own["target"] else None
    precision = found.precision if own["precision"] else None
    if precision is not None and asked.precision and precision != asked.precision:
        what = f"the files are of a build in {asked.precision.upper()}"
        raise UsageError(what, where=f"--precision {precision}", cure="Leave the option out.", code="E542")
    mode = precision or asked.precision or found.precision
    told = "by --precision" if precision else "as nothing says INT8" if origins["precision"] == ("default",) else "by the configuration"
    said = [] if asked.precision else [f"{mode.upper()} {told}"]
    if name is None:
        try:
            target = parse(_only(asked, book), book, mode)
        except UsageError:
            with suppress(UsageError):  # a configuration that contradicts the files is not that of the build
                if found.target:
                    return _checked(parse(found.target[0], book, mode), asked, ("by the configuration", *said))
            raise
        assert asked.release is not None
        words = [f"TensorRT {asked.release.first}", asked.soc.capitalize(), mode.upper() if asked.precision else ""]
        if not asked.soc:
            said.insert(0, f"{target.soc.capitalize()}, as no other SoC has that release")
        return Chosen(target, (f"{', '.join(word for word in words if word)} by the files", *said))
    return _checked(parse(name, book, mode), asked, ("by --target", *said))


def _checked(target: Target, asked: Asked, said: tuple[str, ...]) -> Chosen:
    """A target that the files must not contradict."""
    _agree(target, asked)
    release = asked.release
    if release is not None and not release.stated and not within(target.trt, release):
        last = f" to {release.last}" if release.last else " or later"
        said = (*said, f"the profile has the form of TensorRT {release.first}{last}, which is not the target's")
    return Chosen(target, said)


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
