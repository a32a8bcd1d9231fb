"""`dlalint compare` takes from the configuration what neither its options nor the files of the build say."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.cli import execute
from tests.trtexec import drawn
from tests.trtexec.drawn import node

RUNNING = "&&&& RUNNING TensorRT.trtexec [TensorRT v{}] # trtexec --onnx=m.onnx {} --useDLACore=0\n"
LISTS = "---------- Layers Running on DLA ----------\n[DlaLayer] relu\n---------- Layers Running on GPU ----------\n"


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """``compare(configuration, log, options)``: exit code and output, of a model with a free batch."""
    monkeypatch.chdir(tmp_path)
    made = drawn.made(node("Relu", "relu", "x", "y"), outputs=("y",))
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model = drawn.saved(made, tmp_path)

    def run(configuration: str, log: str, *options: str) -> tuple[int, str]:
        Path("dlalint.toml").write_text(configuration, encoding="utf-8")
        Path("build.log").write_text(log, encoding="utf-8")
        code = execute(["compare", str(model), "--log", "build.log", *options])
        out, err = capsys.readouterr()
        return code, out or err

    return run


ORIN = 'target = "orin-trt8.5"\nprecision = "int8"\nbatch = 2\n'


@pytest.mark.parametrize(
    ("configuration", "log", "options", "code", "said"),
    [
        # the files say nothing: the configuration does
        (ORIN, LISTS, (), 0, "Target orin-trt8.5 in INT8: by the configuration; INT8 by the configuration"),
        # an option goes before it
        (ORIN, LISTS, ("--target", "xavier-trt8.4"), 0, "Target xavier-trt8.4 in INT8: by --target; INT8 by the configuration"),
        (ORIN, LISTS, ("--precision", "fp16"), 0, "Target orin-trt8.5 in FP16: by the configuration; FP16 by --precision"),
        # the files know the release, and which SoC has it follows
        (ORIN, RUNNING.format("100300", "--fp16") + LISTS, (), 0, "Target orin-trt10.3 in FP16: TensorRT 10.3.0, FP16 by the files"),
        # the files know the release, the configuration the SoC
        (ORIN, RUNNING.format("8503", "--fp16") + LISTS, (), 0, "Target orin-trt8.5 in FP16: by the configuration"),
        # a configuration for something else is not that of this build
        (
            'target = "orin-trt8.6"\nbatch = 2\n',
            RUNNING.format("8503", "--fp16") + LISTS,
            (),
            2,
            "error[E541]: the files name TensorRT 8.5.3",
        ),
        ("batch = 2\n", LISTS, (), 2, "error[E541]: the files do not name the TensorRT release"),
        # shapes in the log go before those of the configuration
        (
            '[shapes]\nx = "4x8x16x16"\n',
            RUNNING.format("100300", "--fp16 --shapes=x:2x8x16x16") + LISTS,
            (),
            0,
            "the shapes of inputs by the command in the log",
        ),
    ],
)
def test_who_says_what(compare: object, configuration: str, log: str, options: tuple[str, ...], code: int, said: str) -> None:
    assert callable(compare)
    status, text = compare(configuration, log, *options)
    assert status == code, text
    assert said in " ".join(text.split())


def test_its_shapes_hold_where_the_log_has_none(compare: object) -> None:
    assert callable(compare)
    log = RUNNING.format("100300", "--fp16") + LISTS
    assert compare("", log)[0] == 1  # a free batch runs on no DLA
    assert compare('[shapes]\nx = "4x8x16x16"\n', log)[0] == 0
    assert compare("batch = 4\n", log)[0] == 0
    status, text = compare('[shapes]\nw = "4x8x16x16"\n', log)
    assert (status, "dlalint.toml: shape w: error[E501]" in text) == (2, True)
