"""``dlalint compare-outputs`` as a user meets it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from dlalint.cli import execute

ROOT = Path(__file__).resolve().parents[3]
MNIST = ROOT / "models" / "mnist-7.onnx"
CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint compare-outputs`."""
    return partial(commands, "compare-outputs")


def _npz(path: Path, **arrays: Sequence[float] | NDArray[Any]) -> str:
    np.savez(path, **{name: np.asarray(array, np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]
    return f"{path}.npz"


def _trtexec(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """As trtexec --exportOutput writes: six digits, and no order."""
    text, separator = "[\n", "  "
    for name, array in sorted(arrays.items(), key=lambda item: item[0][::-1]):
        dims, values = "x".join(map(str, array.shape)), ", ".join(f"{value:.6g}" for value in array.reshape(-1))
        text += f'{separator}{{ "name" : "{name}"\n  , "dimensions" : "{dims}"\n  , "values" : [ {values} ]\n  }}\n'
        separator = ", "
    path.write_text(text + "]\n")
    return str(path)


def _columns(out: str) -> list[str]:
    return re.findall(r"^ +[\d-].*(?:\d|-|none does)  (\S+)", out, re.MULTILINE)


def test_equal_files(dlalint: CommandLine, tmp_path: Path) -> None:
    path = _npz(tmp_path / "a", one=[1, 2], two=[3])
    text = (
        f"{path} and {path}\n"
        "EQUAL: 2 tensors within rtol 0.0001 and atol 1e-05.\n"
        "\n"
        "  max abs  max rel    cosine  rtol needed  atol needed  tensor\n"
        "        0        0  1.000000            0            0  one (bit-equal)\n"
        "        0        0  1.000000            0            0  two (bit-equal)\n"
    )
    assert dlalint(path, path) == (0, text, "")


def test_the_first_divergence(dlalint: CommandLine, tmp_path: Path) -> None:
    one = _npz(tmp_path / "a", a=[1, 2], b=[8, 4], c=[np.nan, 1], d=[1])
    two = _npz(tmp_path / "b", d=[2], c=[1, 1], b=[8, 5], a=[1, 2], e=[0])
    code, out, err = dlalint(one, two)
    assert (code, err) == (1, "")
    assert "DIFFERENT: 3 of 4 tensors not equal within rtol 0.0001 and atol 1e-05, the first is b.\n" in out
    assert "  1.00e+00  1.25e-01  0.995495      2.5e-01      1.3e-01  b (1 of 2 off; first to differ)\n" in out
    assert "c (1 of 2 off; 1 NaN on one side; 1 not finite)" in re.sub(r"\s+", " ", out)
    assert f"Only in {two}: e." in out
    assert _columns(out) == ["a", "b", "c", "d"]
    assert dlalint(one, two, "--rtol", "0.25")[0] == 1
    two = _npz(tmp_path / "b", b=[8, 5], a=[1, 2])
    assert [dlalint(one, two, "--rtol", value)[0] for value in ("0.25", "0.24")] == [0, 1]
    assert [dlalint(one, two, "--atol", value)[0] for value in ("0.125", "0.12")] == [0, 1]


def test_a_dump_of_onnxruntime_against_one_of_trtexec(capsys: pytest.CaptureFixture[str], dlalint: CommandLine, tmp_path: Path) -> None:
    """Every tensor of a real network marked and dumped; a fault in its middle, in a file whose tensors stand in no order."""
    model = onnx.load(MNIST)
    made = [name for node in model.graph.node for name in node.output]
    known = {item.name for item in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in reversed(made) if name not in known)
    marked = tmp_path / "marked.onnx"
    typed = onnx.shape_inference.infer_shapes(model)
    kinds = {item.name: item for item in (*typed.graph.value_info, *typed.graph.output)}
    del model.graph.output[:]
    model.graph.output.extend(kinds[name] for name in reversed(made))
    marked.write_bytes(model.SerializeToString())
    dump = tmp_path / "ort.npz"
    assert execute(["run", str(marked), "-o", str(dump)]) == 0
    capsys.readouterr()
    with np.load(dump) as found:
        arrays = {name: found[name] for name in found.files}
    assert list(arrays) == made
    good = _trtexec(tmp_path / "good.json", arrays)
    assert dlalint(str(dump), good)[0] == 0
    assert dlalint(str(dump), good, "--rtol", "0", "--atol", "0")[0] == 1  # six digits
    later = made[made.index("Pooling66_Output_0") :]
    bad = _trtexec(tmp_path / "bad.json", {name: array * 1.01 if name in later else array for name, array in arrays.items()})
    for one, two in ((str(dump), bad), (bad, str(dump))):
        code, out, _ = dlalint(one, two, "-v")
        assert code == 1
        assert "the first is Pooling66_Output_0." in re.sub(r"\s+", " ", out)
        assert _columns(out) == made
    alone = json.loads(dlalint(good, bad, "--format", "json")[1])
    assert alone["first"] != "Pooling66_Output_0"
    ordered = json.loads(dlalint(good, bad, "--format", "json", "--model", str(marked))[1])
    assert (ordered["first"], [item["tensor"] for item in ordered["tensors"]]) == ("Pooling66_Output_0", made)


def test_json(dlalint: CommandLine, tmp_path: Path) -> None:
    one, two = _npz(tmp_path / "a", a=[1, -4], b=[1]), _npz(tmp_path / "b", a=[1, -3], c=[1])
    code, out, err = dlalint(one, two, "--format", "json", "--atol", "0.5", "--rtol", "0")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "schema": 1,
        "reference": one,
        "other": two,
        "ok": True,
        "rtol": 0.0,
        "atol": 0.5,
        "first": None,
        "tensors": [
            {
                "tensor": "a",
                "shape": [2],
                "dtype": "float32",
                "other_shape": [2],
                "other_dtype": "float32",
                "max_abs": 1.0,
                "max_rel": 0.25,
                "scale": 4.0,
                "cosine": pytest.approx(13 / np.sqrt(17 * 10)),
                "mismatches": 0,
                "nan": 0,
                "inf": 0,
                "finite": 2,
                "zero_signs": 0,
                "bit_equal": False,
                "required_rtol": 0.0,
                "required_atol": 0.25,
                "within": True,
                "elements": 2,
            }
        ],
        "only_reference": ["b"],
        "only_other": ["c"],
    }


def test_another_shape(dlalint: CommandLine, tmp_path: Path) -> None:
    one, two = _npz(tmp_path / "a", a=np.ones((2, 3))), _npz(tmp_path / "b", a=np.ones((3, 2)))
    code, out, _ = dlalint(one, two)
    assert code == 1
    assert "a (float32 2x3 against float32 3x2; first to differ)" in re.sub(r"\s+", " ", out)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "error[E141]: the file is empty. Give an .npz file, or what trtexec --exportOutput wrote."),
        (b"{}", "error[E141]: no file of tensors."),
        (b"\x80\x04.", "error[E141]: a Python pickle, which is never loaded."),
        (b"PK\3\4", "error[E140]: the .npz file is damaged (File is not a zip file). Write it again:"),
        (b"[1]", "error[E142]: not what trtexec --exportOutput writes: no tensor at character 1. Export it again."),
        (
            b'[{"name": "\x1b[31m", "dimensions": "2", "values": [1]}]',
            "tensor '\\x1b[31m' has 1 values for the dimensions '2'. Export it again.",
        ),
    ],
)
def test_files_that_cannot_be_read(dlalint: CommandLine, tmp_path: Path, content: bytes, said: str) -> None:
    bad, good = tmp_path / "bad", _npz(tmp_path / "good", a=[1])
    bad.write_bytes(content)
    for pair in ((str(bad), good), (good, str(bad))):
        code, out, err = dlalint(*pair)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"dlalint: {bad}: error[E14")
        assert said in err


def test_files_without_a_common_tensor(dlalint: CommandLine, tmp_path: Path) -> None:
    one, two = _npz(tmp_path / "a", a=[1]), _npz(tmp_path / "b", b=[1])
    code, out, err = dlalint(one, two)
    assert (code, out) == (2, "")
    assert err.startswith(f"dlalint: {one} and {two}: error[E524]: the files have no tensor in common. They begin with 'a' and 'b'.")


def test_a_model_that_is_none(dlalint: CommandLine, tmp_path: Path) -> None:
    path = _npz(tmp_path / "a", a=[1])
    assert "error[E122]: a zip archive, not an ONNX model." in dlalint(path, path, "--model", path)[2]
