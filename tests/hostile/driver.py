"""A process that checks every case of a corpus with one session, under limits, and prints a line of JSON for each.

``python -m tests.hostile.driver FOLDER SEED``: each case gets a folder of its own below FOLDER, which must be as it was afterwards.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlalint.engine.targets import parse
from dlalint.errors import DlalintError
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.formats import FORMATS, text_rows
from dlalint.report.layout import plain
from dlalint.report.notebook import summary
from dlalint.report.to_json import to_json
from dlalint.report.to_text import to_text
from dlalint.worker import Worker
from tests.hostile.corpus import Case, corpus
from tests.hostile.corpus.external import CANARY

MEMORY = 4 << 30
WAIT = 1.0  # seconds that shape inference gets for a node
TEXT_BYTES = 256 << 10
RENDERED = tuple(form for form in FORMATS if form not in ("text", "json"))
LIGHT = tuple(form for form in RENDERED if form != "html")
MARKUP = frozenset({"html", "junit", "markdown", "notebook"})
TAG = re.compile(r"<(?:script>alert|img src=x)")
RAW = re.compile(r"[^\n\t -~\u00a0-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
FORGED = re.compile(r"^(?:::error file=x|##vso|DLA001 error forged)", re.M)


def main() -> None:
    """Check the whole corpus."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with Worker(WAIT) as worker:
        session = Session(worker=worker)
        target = parse("orin-trt10.3", session.rules, "int8")
        others = [parse("xavier-trt8.5", session.rules, "fp16")]
        for number, case in enumerate(corpus(seed)):
            forms = RENDERED if case.name.startswith("names") else LIGHT if not number % 5 else ()
            print(json.dumps(_checked(session, target, others, case, folder / case.name, forms)), flush=True)


def _checked(session: Session, target: Any, others: list[Any], case: Case, folder: Path, forms: Sequence[str]) -> dict[str, Any]:
    (folder / "here").mkdir(parents=True)
    path = folder / "here" / "model.onnx"
    path.write_bytes(case.data)
    case.prepare(path.parent)
    before = contents(folder)
    start = time.monotonic()
    code, line, problems = "", "", list[str]()
    try:
        outcome: Outcome | Failure = session.check(session.view(path), target, others)
    except DlalintError as error:
        code, line = error.code, str(error)
        outcome = Failure(str(path), error.code, error.what, error.cure)
        problems += _line_problems(line, error.cure)
    except BaseException:  # whatever it is: it would have ended the program
        code, line = "E900", traceback.format_exc()
        outcome = Failure(str(path), "E900", "", "")
    try:
        problems += _report_problems(outcome, session, forms)
    except Exception:
        problems.append(traceback.format_exc())
    seconds = time.monotonic() - start
    if contents(folder) != before:
        problems.append("files changed")
    shutil.rmtree(folder)
    return {
        "name": case.name,
        "code": code,
        "line": line[:2000],
        "refused": case.refused,
        "seconds": seconds,
        "megabytes": _megabytes(),
        "crashed": any(finding.name == "inference-crashed" for finding in outcome.findings) if isinstance(outcome, Outcome) else False,
        "problems": problems,
    }


def _megabytes() -> int:
    """The most memory that this process had; what getrusage tells includes the process that started it."""
    return next((int(line.split()[1]) >> 10 for line in Path("/proc/self/status").open() if line.startswith("VmHWM")), 0)


def _line_problems(line: str, cure: str) -> Iterator[str]:
    if not line.isprintable():
        yield f"not printable: {line[:300]!a}"
    if len(line) > 3000:
        yield f"{len(line)} characters in one line"
    if not cure.endswith("."):
        yield f"no cure: {line[:300]!a}"


def _report_problems(outcome: Outcome | Failure, session: Session, forms: Sequence[str]) -> Iterator[str]:
    """What is wrong with the reports on one model: text, JSON and ``forms``."""
    texts = {}
    if isinstance(outcome, Outcome):
        for verbose in (False, True):
            rows = to_text(outcome, session.rules.sources, 100, verbose=verbose, quiet=False)
            if any("\n" in span.text for row in rows for span in row):
                yield "a text row has several lines"
            texts[f"text {verbose}"] = plain(rows)
        texts["several"] = plain(text_rows([outcome, outcome], session.rules, 100, explain=True))
        texts["notebook"] = summary(outcome)
        if len(texts["text False"]) > TEXT_BYTES:
            yield f"{len(texts['text False'])} characters of text"
    texts["json"] = to_json([outcome], session.rules.sources)
    json.loads(texts["json"], parse_constant=_refuse_constant)
    for form in forms:
        module = __import__(f"dlalint.report.to_{form}", fromlist=["render"])
        texts[form] = module.render([outcome], session.rules)
    for form, text in texts.items():
        raw = RAW.search(text)
        if raw is not None:
            yield f"{form} has a raw {raw[0]!a}: {text[max(0, raw.start() - 40) : raw.end() + 20]!a}"
        if FORGED.search(text) is not None:
            yield f"{form} has a forged line"
        if form in MARKUP and TAG.search(text) is not None:
            yield f"{form} has a tag from the model"
        if CANARY.decode()[:20] in text:
            yield f"{form} shows a file outside"


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def contents(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What lies below a folder: mode, size, time of the last write."""
    states = ((str(path), path.lstat()) for path in sorted(folder.rglob("*")))
    return {name: (state.st_mode, state.st_size, state.st_mtime_ns) for name, state in states}


if __name__ == "__main__":
    main()
