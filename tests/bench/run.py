"""Times `dlalint check` against a bare onnx.load of the same model: `python tests/bench/run.py`.

The model is ResNet-50 with its 100 MB of weights inside the file. Both are whole processes, alternated, and the medians are compared.
What runs is an installed copy: pip compiles what it installs, onnx and dlalint alike, and a source tree may lie there uncompiled.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 7


def whole_model(folder: Path) -> Path:
    """models/resnet50.onnx with seeded weights inside."""
    import onnx

    build = [sys.executable, str(ROOT / "models" / "build.py"), "--data", "resnet50", "--output", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    model = onnx.load(ROOT / "models" / "resnet50.onnx", load_external_data=False)
    onnx.load_external_data_for_model(model, str(folder))
    for tensor in model.graph.initializer:
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    path = folder / "resnet50.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def installed(folder: Path) -> Path:
    """A folder with dlalint installed from this tree."""
    target = folder / "installed"
    build = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(target), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    return target


def measure(path: Path, program: Path, runs: int = RUNS) -> dict[str, float]:
    """Median wall time in milliseconds of each command, with the dlalint that is installed in ``program``."""
    environment = {**os.environ, "PYTHONPATH": str(program)}
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "dlalint --help": [sys.executable, "-m", "dlalint", "--help"],
        "dlalint check": [sys.executable, "-m", "dlalint", "check", "--exit-zero", str(path)],
        "onnx.load": [sys.executable, "-c", f"import onnx; onnx.load({str(path)!r})"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=program, env=environment)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(found[1:]) for name, found in times.items()}  # the first run fills the caches


def report(times: dict[str, float]) -> str:
    """The medians and the ratio that matters."""
    rows = [f"{name:16} {value:8.1f} ms" for name, value in times.items()]
    return "\n".join([*rows, f"check / onnx.load {times['dlalint check'] / times['onnx.load']:.2f}"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(report(measure(whole_model(Path(folder)), installed(Path(folder)))))
