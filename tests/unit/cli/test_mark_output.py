"""``dlalint mark-output`` in its own words, and what it takes of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dlalint.cli import execute
from dlalint.model.save import Span
from dlalint.model.skeleton import restore

ROOT = Path(__file__).resolve().parents[3]
MNIST = ROOT / "models" / "mnist-7.onnx"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a model."""
    (tmp_path / "m.onnx").write_bytes(MNIST.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint mark-output`."""
    return partial(commands, "mark-output")


TEXT = """\
1 tensor of m.onnx marked in m.marked.onnx
  Tensor                   node  operator  shape       dtype    bytes
  Convolution110_Output_0     5  Conv      1x16x14x14  float32  12544

What it costs
  buffers   12.2 KiB more to allocate and to write at each run
  loadables 1 output inside of a loadable: the DLA writes out what it would have kept, and it is
            reformatted
  fusions   Convolution110 + Plus112 + ReLU114: may be one layer now, and cannot be with an output
            in between
  precision the ONNX parser gives an output the type that the file states, and NVIDIA's debugging
            notes say that output layers always ran in FP32, whatever the build was set to
            <https://elinux.org/TensorRT/How2Debug>. So a marked layer may compute in another
            precision than in the model as it is
  timing    the time of a marked model is not the time of the model

Placement on orin-trt10.3, FP16
          DLA nodes  GPU nodes  loadables  device changes  reformats  crossing  verdict
  before         10          1          2               3          4   1.0 KiB  partial
  after          10          1          2               3          5   1.0 KiB  partial
  so        no node changes its device, and the loadables are as many

Name map  m.marked.onnx.names.json: tensor, node, operator, type, and a file name for each output

To dump the outputs on the device
  trtexec --onnx=m.marked.onnx --fp16 --useDLACore=0 --allowGPUFallback --exportOutput=m.marked.outputs.json
  --loadInputs=NAME:FILE feeds your own data.
"""


def test_the_report(folder: Path, dlalint: CommandLine) -> None:
    found = dlalint("m.onnx", "--tensor", "Convolution110_Output_0", "--target", "orin-trt10.3")
    assert found == (0, TEXT, "")
    assert sorted(path.name for path in folder.iterdir()) == ["m.marked.onnx", "m.marked.onnx.names.json", "m.onnx"]
    assert [item.name for item in onnx.load("m.marked.onnx").graph.output] == ["Plus214_Output_0", "Convolution110_Output_0"]


def test_the_report_as_json(folder: Path, dlalint: CommandLine) -> None:
    code, out, err = dlalint("m.onnx", "--node", "Convolution110", "--target", "orin-trt10.3", "--format", "json", "-o", "out.onnx")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found)[:4] == ["schema", "tool", "model", "target"]
    assert found["marked"] == [
        {
            "tensor": "Convolution110_Output_0",
            "index": 5,
            "node": "Convolution110",
            "op_type": "Conv",
            "domain": "",
            "dtype": "float32",
            "shape": [1, 16, 14, 14],
            "bytes": 12544,
            "device": "dla",
        }
    ]
    assert found["cost"]["bytes"] == 12544
    assert found["cost"]["fusions"] == [["Convolution110", "Plus112", "ReLU114"]]
    assert found["cost"]["inside_loadables"] == 1
    assert found["placement"]["before"]["reformats"] + 1 == found["placement"]["after"]["reformats"]
    assert (found["output"], found["map"], found["written"]) == ("out.onnx", "out.onnx.names.json", True)
    assert found["command"].startswith("trtexec --onnx=out.onnx ")


def test_what_there_is_to_say_of_an_existing_output(folder: Path, dlalint: CommandLine) -> None:
    code, out, _ = dlalint("m.onnx", "--tensor", "Plus214_Output_0", "--in-place", "--no-map")
    assert code == 0
    assert out.startswith(
        "0 tensors of m.onnx marked: m.onnx stays as it is\n  already   Plus214_Output_0: an output as it is, nothing to do\n"
    )
    assert (folder / "m.onnx").read_bytes() == MNIST.read_bytes()
    assert list(folder.iterdir()) == [folder / "m.onnx"]


def test_the_list(folder: Path, dlalint: CommandLine) -> None:
    code, out, err = dlalint("m.onnx", "--list")
    assert (code, err, list(folder.iterdir())) == (0, "", [folder / "m.onnx"])
    rows = out.splitlines()
    assert rows[0] == "m.onnx on xavier-trt5.0, FP16: 12 tensors"
    assert rows[1].split() == ["index", "Tensor", "operator", "shape", "dtype", "bytes", "device"]
    assert rows[3].split() == ["1", "Convolution28_Output_0", "Conv", "1x8x28x28", "float32", "25088", "dla"]
    assert rows[2].split()[-1] == "folded"
    assert rows[-1].endswith("dla, output")
    _, some, _ = dlalint("m.onnx", "--list", "--op-type", "Conv", "--op-type", "Add")
    assert [row.split()[0] for row in some.splitlines()[2:]] == ["1", "2", "5", "6", "11"]


def test_the_list_as_json(folder: Path, dlalint: CommandLine) -> None:
    found = json.loads(dlalint("m.onnx", "--list", "--format", "json")[1])
    assert found["tensors"][0]["obstacle"] == "known at build time"
    assert found["tensors"][-1] == {
        "tensor": "Plus214_Output_0",
        "index": 11,
        "node": "Plus214",
        "op_type": "Add",
        "domain": "",
        "dtype": "float32",
        "shape": [1, 10],
        "bytes": 40,
        "device": "dla",
        "output": True,
        "obstacle": None,
    }


def test_the_list_without_sizes(dlalint: CommandLine) -> None:
    path = str(ROOT / "models" / "resnet18_dynamic.onnx")
    free = dlalint(path, "--list", "--op-type", "MaxPool")[1].splitlines()[-1].split()
    fixed = dlalint(path, "--list", "--op-type", "MaxPool", "--batch", "2")[1].splitlines()[-1].split()
    assert free[5] == "?"
    assert (fixed[3], fixed[5]) == ("2x64x56x56", str(2 * 64 * 56 * 56 * 4))


def test_a_long_list_is_cut(folder: Path, dlalint: CommandLine) -> None:
    path = str(ROOT / "models" / "squeezenet1_1.onnx")
    _, out, _ = dlalint(path, "--all", "-o", "out.onnx", "--no-map")
    _, whole, _ = dlalint(path, "--all", "-o", "out.onnx", "--no-map", "-v")
    assert "more (-v shows all)" in out
    assert "more (-v shows all)" not in whole
    assert len(whole.splitlines()) > 60 > len(out.splitlines())


def test_moves_and_drops_are_told(folder: Path, dlalint: CommandLine) -> None:
    _, out, _ = dlalint("m.onnx", "--all", "--target", "orin-trt8.5")
    assert "  moved     Plus214: on another device than before\n" in out
    assert "  left out  1 known at build time; --tensor marks what is known at build time too\n" in out
    assert "  already   Plus214_Output_0: an output as it is" in out
    _, out, _ = dlalint("m.onnx", "--tensor", "Pooling66_Output_0", "--only")
    assert "  dropped   8 nodes that only other outputs needed\n" in out


def test_external_data_is_told(folder: Path, dlalint: CommandLine) -> None:
    (folder / "elsewhere").mkdir()
    model = onnx.load("m.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "Parameter87")
    array = numpy_helper.to_array(tensor)
    (folder / "w.bin").write_bytes(array.tobytes())
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    arguments = ("m.onnx", "--tensor", "Plus30_Output_0", "-o", "elsewhere/m.onnx")
    assert "External data  w.bin: needed beside the result, --copy-data copies them\n" in dlalint(*arguments)[1]
    assert "External data  w.bin: copied to its folder\n" in dlalint(*arguments, "--copy-data")[1]
    assert (folder / "elsewhere" / "w.bin").read_bytes() == array.tobytes()
    assert "External data" not in dlalint("m.onnx", "--tensor", "Plus30_Output_0")[1]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("xavier-trt5.0", "trtexec of this release has no option that prints outputs"),
        ("xavier-trt6.0", "--dumpOutput prints them"),
        ("xavier-trt7.1", "--output=NAME is for Caffe and UFF"),
        ("orin-trt11.4", "networks of this release are strongly typed"),
    ],
)
def test_what_depends_on_the_release(target: str, said: str, folder: Path, dlalint: CommandLine) -> None:
    code, out, _ = dlalint("m.onnx", "--tensor", "Plus30_Output_0", "--target", target)
    assert code == 0
    assert said in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "MODEL: error[E505]: it is missing."),
        (("m.onnx",), "--tensor: error[E510]: no tensor is named. `--list` shows what there is to mark."),
        (("m.onnx", "--all", "--in-place", "-o", "x.onnx"), "--in-place: error[E512]: two places for one result."),
        (("m.onnx", "--tensor", "Plus30_Output"), "the model has no tensor 'Plus30_Output'. Did you mean 'Plus30_Output_0' or "),
        (("m.onnx", "--tensor", "a\x1b[31m\nb"), r"the model has no tensor 'a\x1b[31m\nb'."),
        (("m.onnx", "--tensor", "Input3", "--tensor", "Plus30_Output_0"), "'Input3' is an input of the model."),
        (("m.onnx", "--all", "-o", "m.onnx"), "--output: error[E512]: 'm.onnx' belongs to the model itself."),
        (
            ("m.onnx", "--all", "-o", "no/where.onnx"),
            "no/where.onnx: error[E401]: the model cannot be written (No such file or directory).",
        ),
        (("m.onnx", "--all", "-o", ""), "--output: error[E401]: no file is named."),
        (("m.onnx", "--all", "-o", "."), ".: error[E402]: it is not a regular file."),
        (("m.onnx", "--all", "--map", "m.onnx"), "--map: error[E512]: 'm.onnx' belongs to the model itself."),
        (("m.onnx", "--all", "--target", "orin"), "unknown target 'orin'."),
        (("m.onnx", "--all", "--batch", "2"), "is fixed at 1x1x28x28 in the file."),
        (("nowhere.onnx", "--all"), "nowhere.onnx: error[E111]: there is no such file."),
        (("nowhere.onnx", "--list"), "nowhere.onnx: error[E111]: there is no such file."),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], said: str, folder: Path, dlalint: CommandLine) -> None:
    code, out, err = dlalint(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert list(folder.iterdir()) == [folder / "m.onnx"]


def test_names_from_a_model_are_made_safe(folder: Path, dlalint: CommandLine) -> None:
    evil = "t\x1b[31m\n::error::\u202e"
    nodes = [helper.make_node("Conv", ["x", "w"], [evil], evil), helper.make_node("Relu", [evil], ["y"], "r")]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 4, 4]) for name in "xy")
    weights = [helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1, 1], [1.0])]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    for form in (("--list",), ("--all",), ("--all", "--only", "-v")):
        _, out, err = dlalint("m.onnx", *form)
        assert err == ""
        assert r"t\x1b[31m\x0a::error::\u202e" in out
        assert not {"\x1b", "\u202e"} & set(out)
        assert not any(line.startswith("::") for line in out.splitlines())
    found = json.loads(dlalint("m.onnx", "--all", "--format", "json")[1])
    assert [item["tensor"] for item in found["marked"]] == [evil]
    assert list(json.loads((folder / "m.marked.onnx.names.json").read_text())["outputs"]) == ["y", evil]


def test_a_report_to_a_link_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "link").symlink_to(folder / "m.onnx")
    code = execute(["targets", "-o", "link"])
    assert (code, "error[E402]: it is a symbolic link" in capsys.readouterr().err) == (2, True)
    assert (folder / "m.onnx").read_bytes() == MNIST.read_bytes()


# what it takes

_MEASURED = """
import json, sys
from dlalint.cli import execute
code = execute(sys.argv[1:])
heavy = {"numpy", "onnx", "google", "rich", "onnxruntime"} & {name.split(".")[0] for name in sys.modules}
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([code, sorted(heavy), peak]), file=sys.stderr)
"""
MOST_KIB = 48 * 1024


def _measured(*arguments: str) -> tuple[int, list[str], int]:
    """The exit code, the heavy packages that were loaded, and the peak of memory in KiB."""
    command = [sys.executable, "-c", _MEASURED, "mark-output", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    code, heavy, peak = json.loads(done.stderr)
    return code, heavy, peak


def _hollow(path: Path, count: int, length: int) -> None:
    """A chain of convolutions whose weights, ``length`` bytes each, are holes on the disk."""
    channels = int((length // 4) ** 0.5)
    nodes, weights = [], []
    for index in range(count):
        nodes.append(helper.make_node("Conv", [f"x{index}", f"w{index}"], [f"x{index + 1}"], f"conv{index}"))
        tensor = TensorProto(name=f"w{index}", data_type=1, dims=[channels, channels, 1, 1], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "hole"), ("offset", "0"), ("length", str(4 * channels * channels))):
            tensor.external_data.add(key=key, value=value)
        weights.append(tensor)
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 4, 4]) for name in ("x0", f"x{count}")]
    graph = helper.make_graph(nodes, "g", sides[:1], sides[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with path.open("wb") as file:
        for piece in restore(model.SerializeToString(), "hole"):
            if isinstance(piece, Span):
                file.seek(piece.length, os.SEEK_CUR)
            else:
                file.write(piece)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_gigabyte_is_not_read(folder: Path) -> None:
    _hollow(folder / "big.onnx", 100, 12_000_000)
    status = (folder / "big.onnx").stat()
    assert status.st_size > 1_190_000_000 > 1000 * status.st_blocks * 512
    code, heavy, peak = _measured("big.onnx", "--list")
    assert (code, heavy) == (0, [])
    assert peak < MOST_KIB


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_gigabyte_is_copied_by_the_kernel(folder: Path) -> None:
    _hollow(folder / "big.onnx", 100, 10_800_000)
    length = (folder / "big.onnx").stat().st_size
    assert length > 1 << 30
    try:
        code, heavy, peak = _measured("big.onnx", "--tensor", "x50", "--in-place")
        assert (code, heavy) == (0, [])
        assert peak < MOST_KIB
        assert 0 < (folder / "big.onnx").stat().st_size - length < 100
    finally:
        (folder / "big.onnx").unlink()  # it is no hole any more
