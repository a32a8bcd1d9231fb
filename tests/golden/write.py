"""Write reports/: what `dlalint check` says of five models on three targets, in every format. Run it after a change and read the diff.

Kept are the reports as they are, but for what changes without meaning: the version, the models' hashes, and in the page the style and the
script, which are files of their own. Long lines of data are broken between their parts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import onnx

import dlalint

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).with_name("reports")
OWN = ROOT / "models"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
FORMS = {
    "text": "txt",
    "json": "json",
    "sarif": "sarif",
    "junit": "xml",
    "github": "annotations",
    "gitlab": "gitlab.json",
    "markdown": "md",
    "csv": "csv",
    "html": "html",
}
TARGETS = ("xavier-trt5.0", "orin-trt10.3", "woa-trt11.4")  # the last one takes no FP32: what is FP32 is unknown there


class Case(NamedTuple):
    """A model, what it stands for, and its options."""

    model: Path
    why: str
    options: tuple[str, ...] = ()


CASES = (
    Case(OWN / "unet_k2s2.onnx", "all of it on the DLA"),
    Case(OWN / "mnist-7.onnx", "part of it on the DLA, and a file with its weights"),
    Case(OWN / "espcn.onnx", "INT8", ("--precision", "int8")),
    Case(OWN / "fcn_dynamic.onnx", "a free batch and size"),
    Case(LIGHT / "light_zfnet512.onnx", "of the onnx wheel: an old operator set, operators that fall back"),
)


def reports() -> Iterator[tuple[str, str]]:
    """Name and text of every kept report, by the real command line; a run for each model."""
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    targets = [part for target in TARGETS for part in ("--target", target)]
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(case.model, folder)  # without its side files, which are not everywhere
            forms = [part for form in FORMS for part in ("--format", f"{form}={form}")]
            command = [sys.executable, "-m", "dlalint", "check", case.model.name, *targets, *case.options, *forms, "--exit-zero"]
            subprocess.run(command, cwd=folder, env=plain, check=True)
            for form, ending in FORMS.items():
                yield f"{case.model.stem}.{ending}", kept(form, (Path(folder) / form).read_text(encoding="utf-8"))


def kept(form: str, text: str) -> str:
    """A report as it is kept."""
    text = re.sub(r'("sha256": ?)"[0-9a-f]{64}"', r'\1"SHA256"', text)
    text = re.sub(rf'("version": ?"|<small>){re.escape(dlalint.__version__)}(?=["<])', r"\1VERSION", text)
    if form == "html":
        text = re.sub(r"sha256-[A-Za-z0-9+/]{43}=", "sha256-HASH", text)
        for name in ("report.css", "report.js"):
            part = (ROOT / "dlalint" / "report" / "templates" / name).read_text(encoding="utf-8")
            text = text.replace(part, name)
    if form in ("json", "html"):
        text = re.sub(r"([\]}],)(?=[\[{])", r"\1\n", text)
    return text


if __name__ == "__main__":
    found = dict(reports())
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
