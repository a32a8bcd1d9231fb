"""INT8 scales from calibration data, as a cache for TensorRT: what ``dlalint calibration --inputs`` does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dlalint.calibration.cache import ENTROPY, Cache, to_text
from dlalint.cli import output
from dlalint.cli.differences import as_json
from dlalint.cli.progress import progress
from dlalint.errors import UsageError
from dlalint.named_tuple import NamedTuple
from dlalint.report.layout import Row, Span, counted, listed, spans, table, wrapped
from dlalint.target import Target
from dlalint.trtexec.flags import Flags, calibrated

if TYPE_CHECKING:
    from dlalint.numeric.calibration import Calibration, Scale
    from dlalint.numeric.ranges import Range

TIMEOUT = 120.0
_SHOWN = 6
_ROWS = 10
ZEROS, NEVER_FINITE, TOO_FAR = "always zero", "never finite", "too small or too large for a scale"


class Result(NamedTuple):
    """What there is to report: ``cache`` is where the scales went; ``flags`` are those of trtexec, quoted for a shell."""

    model: str
    target: Target
    method: str
    percentile: float | None
    inputs: str
    found: Calibration
    cache: str
    flags: list[str]


def compute(
    model: str,
    inputs: str,
    *,
    method: str,
    percentile: float,
    target: Target,
    flags: Flags,
    cache: str,
    form: str,
    verbose: bool,
    color: bool,
    timeout: float | None,
) -> int:
    """Calibrate ``model`` on ``inputs`` (see :func:`dlalint.numeric.samples.batches`) and write the scales to ``cache``.

    ``method`` is ``max``, ``percentile`` (of that many percent) or ``entropy``, ``form`` is ``text`` or ``json``, ``timeout`` is in seconds
    for each run. The report goes to stdout. Returns the exit code. Raises :class:`DlalintError`; no file is written then.
    """
    _check_place(model, inputs, cache)
    version = f"{target.release}.0"
    found = _calibrated(model, inputs, method, percentile, version, TIMEOUT if timeout is None else timeout)
    if not found.scales:
        what = "all tensors are zero or never finite: there is no scale to write"
        raise UsageError(what, where=inputs, cure="Give inputs like those that the model will see.", code="E521")
    _write(_text(version, {item.tensor: item.scale for item in found.scales}), cache)
    share = percentile if method == "percentile" else None
    result = Result(model, target, method, share, inputs, found, cache, flags.spelled(calibrated(model, cache)))
    if form == "json":
        output.write(as_json(_document(result)), None)
    else:
        output.show(list(_rows(result, min(max(output.width(), 60), 140), verbose)), None, color)
    return 0


def _calibrated(model: str, inputs: str, method: str, percentile: float, version: str, timeout: float) -> Calibration:
    from dlalint.numeric import Runner
    from dlalint.numeric.calibration import calibrate

    with Runner(timeout) as runner, progress(f"opening {model}") as tell:
        return calibrate(
            runner,
            model,
            inputs,
            method=method,
            percentile=percentile,
            check=lambda names: _check_names(version, names),
            progress=lambda done, total: tell(f"calibrating {model}: batch {done} of {total}"),
        )


def _write(text: str, path: str) -> None:
    from dlalint.model import save

    save.write([text.encode("utf-8", "surrogateescape")], path, what="the calibration cache", limit=None)


def _check_place(model: str, inputs: str, cache: str) -> None:
    """Refuse to write over what is read, and what cannot be written, before hours have gone by."""
    from dlalint.model import save

    place = os.path.realpath(cache)
    if place in (os.path.realpath(model), os.path.realpath(inputs)) or (
        os.path.dirname(place) == os.path.realpath(inputs) and place.endswith((".npz", ".npy"))
    ):
        raise UsageError(f"{cache!r} is read from", where="--cache", cure="Give another path.", code="E512")
    save.check_target(cache, "the calibration cache")


def _text(version: str, scales: dict[str, float]) -> str:
    return to_text(Cache(version, ENTROPY, scales))


def _check_names(version: str, names: tuple[str, ...]) -> None:
    _text(version, dict.fromkeys(names, 1.0))


def _rows(result: Result, width: int, verbose: bool) -> Iterator[Row]:
    found = result.found
    yield spans(Span(f"{result.model} for {result.target.name}, INT8 scales from {result.inputs}", "title"))
    yield from wrapped("", _sentence(result), width, "warn" if found.without else "good")
    for line in _remarks(found):
        yield from wrapped("", line, width)
    shown = found.scales if verbose else sorted((item for item in found.scales if item.clipped), key=lambda item: -item.clipped)[:_ROWS]
    if shown:
        yield ()
        yield spans(Span("Scales" if verbose else "Most clipped", "title"))
        body = [_columns(item) for item in shown]
        yield from table(
            ["Tensor", "scale", "range ends", "least", "largest", "clipped", "widened"], body, width, frozenset({1, 2, 3, 4, 5})
        )
    yield ()
    yield from wrapped("", f"Scales written to {result.cache}", width)
    if result.flags:
        yield ()
        yield from wrapped("", "Build it with", width)
        yield from (spans("  ", Span(flag, "code")) for flag in result.flags)


def _sentence(result: Result) -> str:
    found = result.found
    how = f"percentile {result.percentile:g}" if result.percentile is not None else result.method
    data = f"{counted(found.samples, 'sample')} in {found.batches} {'batch' if found.batches == 1 else 'batches'}"
    return f"{counted(len(found.scales), 'tensor')} with a scale, {len(found.without)} without; {how} of {data}."


def _remarks(found: Calibration) -> Iterator[str]:
    for reason in (ZEROS, NEVER_FINITE, TOO_FAR):
        names = [name for name, held in found.without if _reason(held) == reason]
        if names:
            yield f"No scale, {reason}: {listed(names, _SHOWN)}."
    odd = [item.tensor for item in found.scales if item.found.nonfinite]
    if odd:
        yield f"NaN or infinities were left out in {listed(odd, _SHOWN)}."
    widened = sum(item.widened for item in found.scales)
    if widened:
        yield f"{counted(widened, 'tensor')} widened to the scale of a tensor that a layer moves elements from or to."
    worst = _worst(found)
    if worst is not None:
        yield f"At most {_percent(worst.clipped)} of a tensor is clipped ({worst.tensor}, beyond {worst.threshold:.6g})."


def _worst(found: Calibration) -> Scale | None:
    worst = max(found.scales, key=lambda item: item.clipped, default=None)
    return worst if worst is not None and worst.clipped else None


def _columns(item: Scale) -> list[str]:
    numbers = [f"{value:.6g}" for value in (item.scale, item.threshold, item.found.low, item.found.high)]
    return [item.tensor, *numbers, _percent(item.clipped), "yes" if item.widened else ""]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _reason(found: Range) -> str:
    if found.nonfinite == found.count:
        return NEVER_FINITE
    return TOO_FAR if found.largest else ZEROS


def _document(result: Result) -> dict[str, Any]:
    found = result.found
    worst = _worst(found)
    return {
        "schema": 1,
        "model": result.model,
        "target": result.target.name,
        "method": result.method,
        "percentile": result.percentile,
        "inputs": result.inputs,
        "files": found.files,
        "batches": found.batches,
        "samples": found.samples,
        "cache": result.cache,
        "tensors": [
            {
                "name": item.tensor,
                "scale": item.scale,
                "threshold": item.threshold,
                "low": item.found.low,
                "high": item.found.high,
                "nonfinite": item.found.nonfinite,
                "elements": item.found.count,
                "clipped": item.clipped,
                "widened": item.widened,
            }
            for item in found.scales
        ],
        "widened": sum(item.widened for item in found.scales),
        "worst_clipping": None if worst is None else {"name": worst.tensor, "clipped": worst.clipped, "threshold": worst.threshold},
        "without_scale": [{"name": name, "reason": _reason(held)} for name, held in found.without],
        "trtexec": result.flags,
    }
