"""Fixes exported networks and prints what became of them: ``python -m tests.rewrite.networks > tests/rewrite/networks.tsv``.

Every network gets its seeded weights, so that each rewrite and the whole result are proven as for a user.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dlalint.engine.targets import parse
from dlalint.finding import ERROR
from dlalint.numeric import Runner
from dlalint.pipeline import Session
from dlalint.rewrite.fixing import Fixer, Options
from dlalint.rewrite.splitting import split
from dlalint.rewrite.weights import Weights

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("orin-trt10.3", "xavier-trt7.1")
NETWORKS = (
    "deeplabv3_mobilenet",
    "efficientnet_b0",
    "espcn",
    "inception_v3",
    "mobilenet_v3_small",
    "resnet_groupnorm",
    "se_resnet",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "unet_k4s2",
    "yolov5_focus",
    "yolov8",
)
# the last convolutions of detection heads: what decodes boxes behind them is no work for the DLA and is cut off first
HEADS = {
    "yolov5_focus": tuple(f"/head/m.{level}/Conv_output_0" for level in range(3)),
    "yolov8": tuple(f"/head/{branch}.{level}/{branch}.{level}.2/Conv_output_0" for level in range(3) for branch in ("cv2", "cv3")),
}
COLUMNS = ("network", "target", "gpu", "gpu_after", "loadables", "loadables_after", "rewrites", "remaining", "proof")


def prepared(name: str, folder: Path) -> Path:
    """A copy of models/<name>.onnx with its weights beside it."""
    build = [sys.executable, str(ROOT / "models" / "build.py"), "--data", name, "--output", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    path = folder / f"{name}.onnx"
    path.write_bytes((ROOT / "models" / path.name).read_bytes())
    return path


def row(name: str, target: str, path: Path, session: Session, runner: Runner, prove: bool) -> tuple[str, ...]:
    """One line of the table; without ``prove`` the last cell is empty."""
    fixer = Fixer(session, parse(target, session.rules), Options(prove=prove), runner)
    with Weights(str(path)) as weights:
        fixed = fixer.fix(weights)
        proof = fixer.save(fixed, str(path.with_suffix(".fixed.onnx"))) if fixed.found.changes else None
    before, after = fixed.found.before.summary, fixed.found.after.summary
    counts: dict[str, int] = {}
    for change in fixed.found.changes:
        counts[change.rewrite] = counts.get(change.rewrite, 0) + 1
    left = sorted({finding.name for finding in fixed.found.after.findings if finding.severity == ERROR and finding.cause is None})
    return (
        name,
        target,
        str(before.gpu_nodes + before.unknown_nodes),
        str(after.gpu_nodes + after.unknown_nodes),
        str(before.loadables),
        str(after.loadables),
        " ".join(f"{rewrite}x{count}" for rewrite, count in sorted(counts.items())) or "-",
        " ".join(left) or "-",
        "" if not prove else "-" if proof is None else "ok" if proof.ok else f"failed at {proof.first}",
    )


def rows(names: tuple[str, ...] = NETWORKS, *, prove: bool = True) -> Iterator[tuple[str, ...]]:
    """The table; what is not proven takes a tenth of the time."""
    with Session() as session, Runner() as runner, tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = prepared(name, Path(folder))
            for target in TARGETS:
                wanted = parse(target, session.rules)
                if name in HEADS:
                    parts = split(session, str(path), wanted, str(path.with_suffix("")), HEADS[name], runner=runner if prove else None)
                    yield row(f"{name} before its boxes", target, path.with_suffix("") / parts.files[0], session, runner, prove)
                yield row(name, target, path, session, runner, prove)


if __name__ == "__main__":
    print("\t".join(COLUMNS))
    for found in rows(tuple(sys.argv[1:]) or NETWORKS):
        print("\t".join(found), flush=True)
