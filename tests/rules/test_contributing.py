"""The release and the rule that CONTRIBUTING.md adds are sound and do what it says."""

from __future__ import annotations

import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import parse
from dlalint.pipeline import Session

from ..conftest import example

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n# rules/(\S+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, rules_folder: Path) -> Path:
    """The rules with what the text adds."""
    folder = Path(shutil.copytree(rules_folder, tmp_path_factory.mktemp("extended") / "rules"))
    for name, block in BLOCKS:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{block}")
    index = (folder / "index.toml").read_text(encoding="utf-8")
    (folder / "index.toml").write_text(re.sub(r'(?m)^(orin = \[.*"11\.4")\]', r'\1, "11.5"]', index), encoding="utf-8")
    return folder


def test_there_are_a_release_a_source_and_a_rule() -> None:
    assert [name for name, _ in BLOCKS] == ["limits/trt-11.5.toml", "sources.toml", "cards/activation.toml"]


def test_the_rule_holds_from_its_release_on(extended: Path) -> None:
    toml: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    (card,) = toml.loads(BLOCKS[2][1]).values()
    with Session(RuleSet.load(str(extended))) as session:
        for target, body, codes in (
            ("orin-trt11.5", card["examples"]["fail"], {"DLA491"}),
            ("orin-trt11.5", card["examples"]["pass"], set()),
            ("orin-trt11.4", card["examples"]["fail"], set()),
        ):
            view = session.view_bytes(example(body, 17).SerializeToString(), "model.onnx")
            outcome = session.check(view, parse(target, session.rules))
            assert {finding.code for finding in outcome.findings if finding.severity != "note"} == codes, target
        limits = session.rules.for_target(parse("orin-trt11.5", session.rules)).limits
        assert {name: limits[name].confidence for name in ("lrn.smallest", "lrn.window", "conv.kernel")} == {
            "lrn.smallest": "documented",
            "lrn.window": "documented",
            "conv.kernel": "inferred",
        }


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(?:python )?((?:tests|dlalint|rules)/[\w/.*-]+\w)", TEXT))))
def test_what_it_names_exists(path: str) -> None:
    assert list(ROOT.glob(path.replace("<name>", "*"))) or path in {"rules/limits/trt-11.5.toml", "dlalint/report/to_"}
