"""Times INT8 calibration against running the model on the same inputs: `python tests/bench/calibration.py [inputs] [runs]`.

The model is ResNet-50 with 100 MB of seeded weights, the inputs are seeded too. Each run is a process of its own, those of all kinds
alternate; onnxruntime is the same child with one thread every time. Memory is the peak of the child and of the process that asks.
"""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the tree itself, as a script alone would not find it

INPUTS, RUNS = 64, 3
PLAIN = "onnxruntime alone"


def inputs(path: Path, count: int) -> Path:
    """``count`` images of noise."""
    import numpy as np

    np.save(path, np.random.default_rng(0).standard_normal((count, 3, 224, 224), np.float32))
    return path


def plain(model: str, data: str) -> None:
    """Run the model on every input."""
    from dlalint.verify import Runner
    from dlalint.verify.samples import batches

    with Runner() as runner:
        for batch in batches(data, runner.interface(model)):
            runner.outputs(model, batch)


def calibrated(model: str, data: str, method: str) -> None:
    """Calibrate the model on every input."""
    from dlalint.verify import Runner
    from dlalint.verify.calibration import calibrate

    with Runner() as runner:
        calibrate(runner, model, data, method=method, percentile=99.99)


def one(model: str, data: str, what: str) -> None:
    """One run here, as JSON: seconds gone by and of both processes' work, megabytes of this process and of its child."""
    start = time.perf_counter()
    plain(model, data) if what == PLAIN else calibrated(model, data, what)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()  # what getrusage says begins with the peak of the process that started this one
    own = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps([seconds, time.process_time() + child.ru_utime + child.ru_stime, own, child.ru_maxrss / 1024]))


def measure(model: Path, data: Path, runs: int, tell: Callable[[str], None]) -> dict[str, list[float]]:
    """The median of each figure by what was run."""
    found: dict[str, list[list[float]]] = {what: [] for what in (PLAIN, "max", "percentile", "entropy")}
    for number in range(runs):
        for what, figures in found.items():
            tell(f"run {number + 1} of {runs}: {what}")
            command = [sys.executable, __file__, "--one", str(model), str(data), what]
            figures.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {what: [statistics.median(column) for column in zip(*figures, strict=True)] for what, figures in found.items()}


def report(figures: dict[str, list[float]]) -> str:
    """A line for each, with its times over those of the plain run: other work on the machine disturbs the second one less."""
    rows = [f"{'':18} {'time':>15} {'processors':>15} {'dlalint':>9} {'its child':>10}"]
    base = figures[PLAIN]
    for what, found in figures.items():
        times = "".join(f" {value:6.2f} s {value / plain:5.2f}x" for value, plain in zip(found[:2], base, strict=False))
        rows.append(f"{what:18}{times} {found[2]:6.0f} MB {found[3]:7.0f} MB")
    return "\n".join(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        run = importlib.import_module("run")  # beside this file

        count, runs = [*map(int, sys.argv[1:]), *(INPUTS, RUNS)[len(sys.argv) - 1 :]]
        with tempfile.TemporaryDirectory() as folder:
            given = inputs(Path(folder) / "inputs.npy", count)
            print(report(measure(run.whole_model(Path(folder)), given, runs, lambda text: print(text, file=sys.stderr))))
