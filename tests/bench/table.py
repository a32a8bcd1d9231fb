"""What speed means here, as ratios measured on this machine: ``python tests/bench/table.py``.

Every row compares medians of alternated runs of whole processes. It takes some minutes and 6 GB of disk that are given back.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_MEMORY = Path("/dev/shm")  # a file system in memory
HERE = Path(__file__).resolve().parent
TARGETS = (
    "xavier-trt5.0 xavier-trt7.1 xavier-trt8.2 xavier-trt8.5 xavier-trt8.6 orin-trt8.4 orin-trt8.6 orin-trt10.0 orin-trt10.3 orin-trt11.4"
)


def _module(name: str):  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location(f"dlalint_bench_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


made, run = _module("made"), _module("run")


class Cost(NamedTuple):
    """Of one process and its children: wall and CPU time in milliseconds, peak memory of the largest one and reads from disk in MB."""

    wall: float
    cpu: float
    memory: float
    read: float


# A process of its own measures: the peak memory of a child counts from that of the process that starts it.
_METER = """
import json, os, subprocess, sys, time
for line in sys.stdin:
    command, cwd, environment = json.loads(line)
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, env=environment) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    wall = time.perf_counter() - start
    print(1000 * wall, 1000 * (usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024, usage.ru_inblock * 512 / 1e6, flush=True)
"""


Row = tuple[str, float, float, str]  # work, ratio, goal, figures


class Bench:
    """Commands of an installed copy, measured in turn."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        self.program = run.installed(folder)
        self.environment = {**os.environ, "PYTHONPATH": str(self.program), "XDG_CACHE_HOME": str(folder / "cache")}

        meter = [sys.executable, "-I", "-S", "-c", _METER]
        self._meter = subprocess.Popen(meter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def cost(self, command: Sequence[str]) -> Cost:
        """Run a command and measure it."""
        assert self._meter.stdin is not None
        assert self._meter.stdout is not None
        print(json.dumps([command, str(self.program), self.environment]), file=self._meter.stdin, flush=True)
        return Cost(*map(float, self._meter.stdout.readline().split()))

    def dlalint(self, *arguments: object) -> list[str]:
        """A command line of dlalint."""
        return [sys.executable, "-m", "dlalint", *map(str, arguments)]

    def check(self, *arguments: object) -> list[str]:
        """A check whose findings do not matter."""
        return self.dlalint("check", "--exit-zero", "--no-others", "-q", *arguments)

    @staticmethod
    def python(code: str) -> list[str]:
        """A Python process."""
        return [sys.executable, "-c", code]

    def measured(self, made: Path | None = None, /, **commands: Sequence[str]) -> dict[str, Cost]:
        """The median cost of each command; the first round fills caches.

        ``made`` is what they write: freeing an old one is not their work. Of these it is the least cost: whether a virtual machine gets
        memory from its host anew makes seconds of difference, from run to run.
        """
        found: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(self.runs + 1):
            for name, command in commands.items():
                if made is not None:
                    made.unlink(missing_ok=True)
                found[name].append(self.cost(command))
        usual = statistics.median if made is None else min
        return {name: Cost(*(usual(values) for values in zip(*costs[1:], strict=True))) for name, costs in found.items()}

    def beside_polygraphy(self, path: Path, goal: float) -> list[Row]:
        """A check held against `polygraphy inspect model`, where that is installed."""
        program = Path(sys.executable).with_name("polygraphy")
        if not program.exists():
            return []
        found = self.measured(check=self.check(path), peer=[str(program), "inspect", "model", str(path)])
        return [_ratio(f"check / polygraphy inspect model, {path.name}", found["check"].wall, found["peer"].wall, goal)]


def start_up(bench: Bench) -> list[Row]:
    """Help against an empty Python."""
    found = bench.measured(help=bench.dlalint("--help"), python=bench.python("pass"))
    return [_ratio("--help / python -c pass", found["help"].wall, found["python"].wall, 6)]


def small(bench: Bench) -> list[Row]:
    """A graph without its weights."""
    path = bench.folder / "small.onnx"
    path.write_bytes((made.ROOT / "models" / "resnet50.onnx").read_bytes())
    load = bench.python(f"import onnx; onnx.load({str(path)!r}, load_external_data=False)")
    found = bench.measured(check=bench.check(path), load=load)
    ten = [part for name in TARGETS.split() for part in ("--target", name)]
    many = bench.measured(one=bench.check(path), ten=bench.check(path, *ten))
    return [
        *bench.beside_polygraphy(path, 0.3),
        _ratio("check / onnx.load, graph without weights", found["check"].wall, found["load"].wall, 0.45),
        _ratio("ten targets / one target", many["ten"].wall, many["one"].wall, 1.5),
    ]


def large(bench: Bench) -> list[Row]:
    """The same graph with 1.5 GB inside and 3.4 GB beside."""
    few = made.resnet50(bench.folder / "few.onnx", 1)
    inside = made.resnet50(bench.folder / "inside.onnx", 4)
    beside = made.resnet50(bench.folder / "beside.onnx", 6, beside=True)
    found = bench.measured(few=bench.check(few), inside=bench.check(inside), beside=bench.check(beside))
    rows = [
        _ratio("check, 1.5 GB / 100 MB of weights", found["inside"].wall, found["few"].wall, 1.15),
        _ratio("check, 3.4 GB beside / 100 MB inside", found["beside"].wall, found["few"].wall, 1.1),
        ("memory of a check of 1.5 GB, MB", found["inside"].memory, 64, f"{found['few'].memory:.0f} MB with 100 MB"),
    ]
    for path in bench.folder.glob("beside*"):
        path.unlink()
    return rows


def nodes(bench: Bench) -> list[Row]:
    """A hundred thousand nodes, and how the time grows."""
    paths = {count: made.chain(bench.folder / f"chain{count}.onnx", count) for count in (1000, 10_000, 100_000)}
    name = str(paths[100_000])
    found = bench.measured(
        check=bench.check(name),
        load=bench.python(f"import onnx; onnx.load({name!r})"),
        infer=bench.python(f"import onnx; onnx.shape_inference.infer_shapes(onnx.load({name!r}))"),
    )
    own = str(made.chain(bench.folder / "own.onnx", 100_000, own=True))
    real = bench.measured(check=bench.check(own), load=bench.python(f"import onnx; onnx.load({own!r})"))
    grown = bench.measured(None, **{f"n{count}": bench.check(path) for count, path in paths.items()})
    first, second, third = (grown[f"n{count}"].wall for count in paths)
    memory = found["check"].memory, found["load"].memory
    return [
        *bench.beside_polygraphy(paths[100_000], 0.15),
        _ratio("check / onnx.load, 100,000 nodes", found["check"].wall, found["load"].wall, 1.3),
        _ratio("the same, each with weights of its own", real["check"].wall, real["load"].wall, 1.3),
        ("memory of check / of onnx.load, 100,000 nodes", memory[0] / memory[1], 1, f"{memory[0]:.0f} / {memory[1]:.0f} MB"),
        _ratio("check / load and infer_shapes, 100,000 nodes", found["check"].wall, found["infer"].wall, 0.5),
        _ratio("(t100k - t1k) / (t10k - t1k)", third - first, second - first, 12),
    ]


def many(bench: Bench) -> list[Row]:
    """Two hundred small models."""
    folder, whole = bench.folder / "many", bench.folder / "whole"
    made.many(folder, 200)
    gigabytes = sum(path.stat().st_size for path in made.many(whole, 200, whole=True)) / 1e9
    loop = bench.python(_LOOP)
    half = sorted(folder.glob("*.onnx"))[:100]
    found = bench.measured(check=bench.check(folder), half=bench.check(*half), loop=[*loop, str(folder)])
    full = bench.measured(check=bench.check(whole), loop=[*loop, str(whole)], hook=_hook(whole))
    more = (found["check"].cpu - found["half"].cpu) / 100
    return [
        _ratio(f"200 models with {gigabytes:.1f} GB of weights / load, check, infer", full["check"].cpu, full["loop"].cpu, 0.7),
        _ratio("the same by pre-commit / load, check, infer", full["hook"].cpu, full["loop"].cpu, 0.7),
        _ratio("the same without their weights", found["check"].cpu, found["loop"].cpu, 0.7),
        ("CPU of one more model, ms", more, 1.5, f"{sum(path.stat().st_size for path in half) / 100_000:.0f} kB of structure each"),
    ]


_LOOP = (
    "import glob, onnx, sys\nfor path in sorted(glob.glob(sys.argv[1] + '/*.onnx')):\n"
    "  model = onnx.load(path, load_external_data=False)\n"
    "  try: onnx.checker.check_model(model)\n  except Exception: pass\n  onnx.shape_inference.infer_shapes(model)"
)


def _hook(folder: Path) -> list[str]:
    """pre-commit on all files of ``folder``, which becomes a git repository with the hooks of this project."""
    hooks = (made.ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    hooks = hooks.replace("language: python", "language: system").replace("entry: dlalint", f"entry: {sys.executable} -m dlalint")
    body = "".join(f"    {line}\n" for line in hooks.splitlines())
    (folder / ".pre-commit-config.yaml").write_text(f"repos:\n- repo: local\n  hooks:\n{body}", encoding="utf-8")
    for command in (["init", "-q"], ["-c", "core.compression=0", "add", "-A"]):
        subprocess.run(["git", *command], check=True, cwd=folder)
    run = [sys.executable, "-m", "pre_commit", "run", "dlalint-check", "--all-files"]
    return [sys.executable, "-c", f"import os; os.chdir({str(folder)!r}); os.execv({sys.executable!r}, {run!r})"]


def cold(bench: Bench) -> list[Row]:
    """What is read from disk of a file that is not in memory."""
    path = made.resnet50(bench.folder / "cold.onnx", 4, holes=False)
    read = []
    for _ in range(bench.runs):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        read.append(bench.cost(bench.check(path)).read)
    path.unlink()
    return [("read from disk of 1.5 GB that are not in memory, MB", statistics.median(read), 4, "")]


def marked(bench: Bench) -> list[Row]:
    """An output marked in a file of 1.5 GB, and a fix that has nothing to do."""
    rows: list[Row] = []
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 4e9:
        with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
            rows += _marked(bench, Path(folder), "in memory")[:1]
    return [*rows, *_marked(bench, bench.folder, "on disk, and synced")]


def _marked(bench: Bench, folder: Path, where: str) -> list[Row]:
    source, copy = made.resnet50(folder / "marked.onnx", 4, holes=False), folder / "copy.onnx"
    mark = bench.dlalint("mark-output", source, "--tensor", "/relu/Relu_output_0", "-o", copy, "--no-map")
    fix = bench.dlalint("fix", source, "--diff", "-o", copy)
    found = bench.measured(copy, mark=mark, copy=["cp", str(source), str(copy)], fix=fix)
    return [
        _ratio(f"mark-output / cp, CPU, 1.5 GB {where}", found["mark"].cpu, found["copy"].cpu, 1.5),
        ("memory of mark-output of 1.5 GB, MB", found["mark"].memory, 48, ""),
        _ratio("fix with nothing to do / mark-output, CPU", found["fix"].cpu, found["mark"].cpu, 2),
    ]


_SESSION = """
import sys, time, onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
"""
_RUNNER = "import sys\nfrom dlalint.numeric import Runner\nwith Runner() as runner: runner.interface(sys.argv[1])"


def proof(bench: Bench) -> list[Row]:
    """A proof of a model of 1.5 GB: its session over that of the plain file, without what it takes to start either; and its memory."""
    large, little = (made.resnet50(bench.folder / f"proof{scale}.onnx", scale, holes=False) for scale in (4, 1))
    commands = {f"{who} {path.stem}": [*bench.python(code), str(path)]
                for who, code in (("our", _RUNNER), ("their", _SESSION)) for path in (large, little)}  # fmt: skip
    found = bench.measured(**commands)
    ours, theirs = (found[f"{who} proof4"].wall - found[f"{who} proof1"].wall for who in ("our", "their"))
    memory = bench.cost(bench.dlalint("verify", large, large)).memory
    return [
        _ratio("session of a proof / of the plain file, 1.5 GB", ours, theirs, 0.1),
        ("memory of a proof / of the weights", memory * (1 << 20) / large.stat().st_size, 1.3, f"{memory:.0f} MB"),
    ]


def _ratio(work: str, first: float, second: float, goal: float) -> Row:
    return work, first / second, goal, f"{first:.0f} / {second:.0f} ms"


def main(runs: int = 5) -> None:
    """Print the table."""
    print(f"{'work':52} {'measured':>9} {'goal':>6}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), runs)
        for part in (start_up, small, large, cold, nodes, many, marked, proof):
            for work, value, goal, figures in part(bench):
                print(f"{work:52} {value:9.2f} {goal:6g} {'' if value <= goal else 'MISSED':7} {figures}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
