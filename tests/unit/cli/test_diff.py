"""`diff`: two models, and one model at two revisions of a real repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).resolve().parents[3]
Dlalint = Callable[..., tuple[int, str, str]]
TARGET = ("--target", "orin-trt10.3")


def _model(path: str, body: str) -> None:
    text = f'<ir_version: 8, opset_import: ["": 17]> g (float16[1,8,16,16] x) => (float16[1,8,16,16] y) {{ {body} }}'
    Path(path).write_bytes(onnx.parser.parse_model(text).SerializeToString())


@pytest.fixture
def dlalint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Dlalint) -> Dlalint:
    """The command line in a git repository with two commits of ``m.onnx``: all on the DLA, then with a node on the GPU."""
    monkeypatch.chdir(tmp_path)
    _git("init", "-q", "-b", "main")
    _model("m.onnx", "[first] a = Relu(x) [last] y = Sigmoid(a)")
    _git("add", ".")
    _git("commit", "-q", "-m", "one")
    _model("m.onnx", "[first] a = Relu(x) [middle] b = Erf(a) [last] y = Sigmoid(b)")
    _git("commit", "-qam", "two")
    return commands


def _git(*arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True, env=quiet).stdout.strip()


def test_a_regression(dlalint: Dlalint) -> None:
    code, out, err = dlalint("diff", "m.onnx", "--git", "HEAD~1", *TARGET)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[:2] == [
        "m.onnx at HEAD~1 -> m.onnx on orin-trt10.3, FP16",
        "WORSE: 1 node on the GPU, before 0; 2 loadables, before 1; 1 new error.",
    ]
    assert lines[lines.index("Now on the GPU") + 1].startswith("  middle (DLA")
    found = json.loads(dlalint("diff", "m.onnx", "--git", "HEAD~1", *TARGET, "--format", "json")[1])
    assert (found["old"], found["new"], found["regression"]) == ("m.onnx at HEAD~1", "m.onnx", True)
    (target,) = found["targets"]
    assert (target["name"], target["verdict"], target["to_gpu"], target["from_gpu"]) == ("orin-trt10.3", "worse", ["middle"], [])
    assert [item["node"] for item in target["gained"] if item["severity"] == "error"] == ["middle"]
    assert (target["before"]["gpu_nodes"], target["after"]["gpu_nodes"]) == (0, 1)
    assert dlalint("diff", "m.onnx", "--git", "HEAD~1", *TARGET, "--exit-zero")[0] == 0


def test_the_other_way_round_is_better(dlalint: Dlalint) -> None:
    code, out, _ = dlalint("diff", "m.onnx", "--git", "HEAD", "--git", "HEAD~1", *TARGET)
    assert code == 0
    assert out.splitlines()[0] == "m.onnx at HEAD -> m.onnx at HEAD~1 on orin-trt10.3, FP16"
    assert out.splitlines()[1].startswith("BETTER: 0 nodes on the GPU, before 1; 1 loadable, before 2; ")
    assert "\nNo longer on the GPU\n  middle (DLA" in out
    assert "\nFindings lost\n" in out


def test_two_files_on_several_targets(dlalint: Dlalint) -> None:
    shutil.copy("m.onnx", "n.onnx")
    code, out, _ = dlalint("diff", "m.onnx", "n.onnx", *TARGET, "--target", "xavier-trt8.5")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines() if ": " in line] == ["EQUAL", "EQUAL"]
    assert "m.onnx -> n.onnx on xavier-trt8.5, FP16" in out


def test_new_loadables_that_take_work_off_the_gpu_are_no_regression(dlalint: Dlalint) -> None:
    _model("n.onnx", "[first] a = Erf(x) [middle] b = Erf(a) [last] y = Erf(b)")
    found = json.loads(dlalint("diff", "n.onnx", "m.onnx", *TARGET, "--format", "json")[1])
    (target,) = found["targets"]
    assert (target["before"]["loadables"], target["after"]["loadables"]) == (0, 2)
    assert (target["verdict"], target["regressions"], target["from_gpu"]) == ("better", [], ["first", "last"])


def test_the_configuration_holds(dlalint: Dlalint) -> None:
    Path("dlalint.toml").write_text('target = "orin-trt10.3"\nprecision = "int8"\nignore = "DLA4"\n')
    found = json.loads(dlalint("diff", "m.onnx", "--git", "HEAD~1", "--format", "json")[1])
    assert [(item["name"], item["precision"]) for item in found["targets"]] == [("orin-trt10.3", "int8")]
    assert not any(item["code"].startswith("DLA4") for item in found["targets"][0]["gained"])


def test_a_model_in_a_folder_and_a_name_with_a_dash(dlalint: Dlalint) -> None:
    Path("-f").mkdir()
    shutil.copy("m.onnx", "-f/-x.onnx")
    _git("add", "--", "-f")
    _git("commit", "-qm", "three")
    assert dlalint("diff", "./-f/-x.onnx", "--git", "main", *TARGET)[0] == 0


def test_a_model_in_git_lfs(dlalint: Dlalint, tmp_path: Path) -> None:
    """At a revision there is only the pointer; the store of Git LFS has the model, or the command that fetches it is named."""
    data = Path("m.onnx").read_bytes()
    oid = sha256(data).hexdigest()
    Path("m.onnx").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n")
    _git("commit", "-qam", "pointer")
    Path("m.onnx").write_bytes(data)
    commit = _git("rev-parse", "HEAD")
    assert dlalint("diff", "m.onnx", "--git", "HEAD", *TARGET) == (
        2,
        "",
        f"dlalint: --git HEAD: error[E548]: a Git LFS pointer, and the model is not fetched. Run: git lfs fetch origin {commit}.\n",
    )
    store = tmp_path / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4]
    store.mkdir(parents=True)
    (store / oid).write_bytes(data)
    assert dlalint("diff", "m.onnx", "--git", "HEAD", *TARGET)[0] == 0


@pytest.mark.parametrize("revision", ["", "-p", "--output=gone", "HEAD:m.onnx", "a\nb", "no-such-branch", "HEAD~99", "x" * 5000])
def test_what_is_no_revision(revision: str, dlalint: Dlalint) -> None:
    before = sorted(os.listdir())
    code, out, err = dlalint("diff", "m.onnx", f"--git={revision}")
    assert (code, out) == (2, "")
    assert err.startswith("dlalint: --git")
    assert "error[E548]: " in err
    assert err.count("\n") == 1
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "arguments", [("m.onnx",), ("m.onnx", "m.onnx", "m.onnx"), ("m.onnx", "m.onnx", "--git", "HEAD"), ("m.onnx", *("--git", "HEAD") * 3)]
)
def test_what_is_no_pair(arguments: tuple[str, ...], dlalint: Dlalint) -> None:
    assert "error[E548]: two models are compared, or one at two times. Give OLD and NEW" in dlalint("diff", *arguments)[2]


def test_a_file_that_was_not_there(dlalint: Dlalint) -> None:
    shutil.copy("m.onnx", "new.onnx")
    code, out, err = dlalint("diff", "new.onnx", "--git", "HEAD")
    assert (code, out) == (2, "")
    assert err.startswith("dlalint: --git HEAD: error[E548]: git does not find it: ")
