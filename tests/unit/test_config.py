"""Configuration files: where they are found, what they may say, which value wins."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dlalint.accepted import Waiver
from dlalint.config import MAX_BYTES, Config, Layer, effective, locate, matches
from dlalint.config_file import SETTINGS, read
from dlalint.errors import UsageError
from dlalint.finding import Finding
from dlalint.pipeline import Session
from dlalint.waivers import names

WHOLE = """
target = ["orin-trt10.3", "jetpack-6.2"]
precision = "int8"
batch = 4
select = "DLA1"
ignore = ["DLA711", "weights-missing"]
fail-on = "warning"
others = []
[shapes]
x = "1x3x8x8"
y = [1, 3]
[severity]
DLA412 = "note"
[[model]]
match = ["detector/*", "*.int8.onnx"]
precision = "fp16"
[[waiver]]
rule = "DLA412"
node = "head/*"
model = "detector/*"
reason = "known to the team"
expires = 2030-01-31
"""


def _write(folder: Path, text: str | bytes, name: str = "dlalint.toml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_every_key(tmp_path: Path, session: Session) -> None:
    path = _write(tmp_path, WHOLE)
    general = {
        "target": ("orin-trt10.3", "jetpack-6.2"),
        "precision": "int8",
        "batch": 4,
        "select": ("DLA1",),
        "ignore": ("DLA711", "weights-missing"),
        "fail_on": "warning",
        "others": (),
        "shapes": {"x": (1, 3, 8, 8), "y": (1, 3)},
        "severity": {"DLA412": "note"},
    }
    assert {key.replace("-", "_") for key in SETTINGS} == set(general)
    patterns = ("detector/*", "*.int8.onnx")
    assert read(path, session.rules) == Config(
        path,
        (Layer(path, general), Layer(f"{path}, model 1 (detector/*, *.int8.onnx)", {"precision": "fp16"}, patterns)),
        (Waiver("DLA412", "known to the team", "head/*", "detector/*", "2030-01-31"),),
    )


def test_a_pyproject_holds_it_in_its_table(tmp_path: Path, session: Session) -> None:
    path = _write(tmp_path, '[tool.other]\nprecision = 3\n[tool.dlalint]\nprecision = "int8"\n', "pyproject.toml")
    assert read(path, session.rules).layers == (Layer(path, {"precision": "int8"}),)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("precison = 'int8'", "E545", "unknown key 'precison'. Did you mean precision?"),
        ("zzz = 1", "E545", "unknown key 'zzz'. Known keys: target, "),
        ("[[model]]\nmatch = '*'\nfail_on = 'note'", "E545", ", model 1: error[E545]: unknown key 'fail_on'. Did you mean fail-on?"),
        ("[[waiver]]\nrule = 'DLA1'\nreson = 'x'", "E545", ", waiver 1: error[E545]: unknown key 'reson'. Did you mean reason?"),
        ("precision = 'fp32'", "E546", "'precision' is none of fp16, int8."),
        ("batch = true", "E546", "'batch' has a number that is no dimension."),
        ("batch = 0", "E546", "'batch' has a number that is no dimension."),
        ("[shapes]\nx = '1x-3'", "E546", "'shapes' has a number that is no dimension."),
        ("[shapes]\nx = 7", "E546", "'shapes' is no shape like"),
        ("shapes = 7", "E546", "'shapes' is no table."),
        ("target = [3]", "E546", "'target' is no text."),
        ("severity = {DLA412 = 'off'}", "E546", "'severity' is none of error, warning, note."),
        ("model = 3", "E546", "'model' is no list of tables, each headed [[model]]."),
        ("[[model]]\nbatch = 1", "E546", "'match' is missing."),
        ("[[waiver]]\nrule = 'DLA412'", "E546", "'reason' is missing. A waiver names a rule"),
        ("[[waiver]]\nrule = 'DLA412'\nreason = ' '", "E546", "'reason' is no text."),
        ("[[waiver]]\nrule = 'DLA412'\nreason = 'x'\nexpires = 'soon'", "E546", "'expires' is no date like 2026-12-31."),
        ("target = 'orin-trt9'", "E502", ": target: error[E502]: unknown target 'orin-trt9'. Did you mean"),
        ("others = 'orin-trt9'", "E502", ": others: error[E502]: unknown target 'orin-trt9'."),
        ("select = 'DLA999'", "E504", ": select: error[E504]: no rule is called 'DLA999'."),
        ("[severity]\nnothing = 'note'", "E504", ": severity: error[E504]: no rule is called 'nothing'."),
        ("[[waiver]]\nrule = 'nothing'\nreason = 'x'", "E504", ", waiver 1: rule: error[E504]: no rule is called 'nothing'."),
        ("batch = ", "E544", "it is no valid TOML: "),
        ("a = " + "[" * 5000, "E544", "it is no valid TOML: nested too deeply."),
        ('"\x1b[31m" = 1', "E544", "it is no valid TOML: "),
        (r'"\u001b[31m" = 1', "E545", r"unknown key '\x1b[31m'."),
        (b"a = '\xff'", "E544", "it is not UTF-8 text."),
        (b"#" * (MAX_BYTES + 1), "E543", "it has more than 1048576 bytes."),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str | bytes, code: str, said: str, tmp_path: Path, session: Session) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(UsageError) as found:
        read(path, session.rules)
    line = str(found.value)
    assert found.value.code == code
    assert line.startswith(path)
    assert said in line
    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < len(path) + 500


def test_a_file_that_is_none(tmp_path: Path, session: Session) -> None:
    for path, what in ((tmp_path / "gone.toml", "there is no such file"), (tmp_path, "it is not a regular file")):
        with pytest.raises(UsageError, match=what):
            read(str(path), session.rules)


def test_the_nearest_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    own = _write(tmp_path, "")
    assert locate() == own
    _write(tmp_path / "a", '[project]\nname = "x"\ndependencies = ["dlalint"]\n', "pyproject.toml")
    assert locate() == own
    near = _write(tmp_path / "a", "[tool.dlalint]\n", "pyproject.toml")
    assert locate() == near
    nearest = _write(tmp_path / "a", "")
    assert locate() == nearest
    (inner / ".git").mkdir()
    assert locate() == ""


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert locate() == ""


@pytest.mark.parametrize(
    "header", ["[tool.dlalint]", '[ tool . "dlalint" ]', "[tool]\ndlalint.batch = 1", "tool = {dlalint = {}}", "[[tool.dlalint.model]]"]
)
def test_all_ways_to_write_the_table(header: str, tmp_path: Path) -> None:
    path = _write(tmp_path, header, "pyproject.toml")
    assert locate(str(tmp_path)) == path


def test_finding_no_file_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*"abcdefgh")
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()

    def once() -> float:
        start = time.perf_counter()
        assert locate(str(folder)) == ""
        return time.perf_counter() - start

    assert min(once() for _ in range(20)) < 0.001


def test_layers(tmp_path: Path) -> None:
    path = str(tmp_path / "dlalint.toml")
    config = Config(
        path,
        (
            Layer("file", {"batch": 2, "precision": "int8", "shapes": {"x": (1,), "y": (2,)}}),
            Layer("one", {"batch": 3, "shapes": {"y": (3,)}}, ("a/*",)),
            Layer("two", {"batch": 4}, ("b.onnx",)),
        ),
    )
    general = effective(config)
    assert (general.settings.batch, general.settings.precision, general.settings.fail_on) == (2, "int8", "error")
    assert (general.origins["batch"], general.origins["fail_on"]) == (("file",), ("default",))
    one = effective(config, str(tmp_path / "a" / "b.onnx"), {"shapes": {"x": (9,)}})
    assert (one.settings.batch, one.settings.shapes) == (4, {"x": (9,), "y": (3,)})
    assert one.origins["shapes"] == ("file", "one", "command line")
    assert effective(config, str(tmp_path / "a" / "c.onnx"), {"batch": 8}).settings.batch == 8
    assert effective(Config(), "a.onnx").settings == effective(Config()).settings


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("a/b.onnx", "b.onnx", True),
        ("a/b.onnx", "a/*", True),
        ("a/b/c.onnx", "a/*", True),
        ("a/b.onnx", "b/*", False),
        ("B.onnx", "b.onnx", False),
        ("conv[0]", "conv[0]", True),
        ("conv[0]", "conv[1]", False),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool) -> None:
    assert matches(text, [pattern]) == expected


@pytest.mark.parametrize(
    ("rules", "expected"), [("DLA412", True), ("dla4", True), ("DLA1", False), ("elementwise-constant", True), ("DLA1, DLA41", True)]
)
def test_rules_are_named_as_on_the_command_line(rules: str, expected: bool) -> None:
    assert names(rules, Finding("DLA412", "elementwise-constant", "error", "fail", "it is")) == expected
