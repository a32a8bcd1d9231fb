"""Build logs: what no published sample shows whole, and what pastes do to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.target import release_of
from dlalint.trtexec.observed import BuildLog, Format, Observed
from dlalint.trtexec.read import read

SAMPLES = Path(__file__).parent / "samples"


def _observed(folder: Path, text: str) -> Observed:
    path = folder / "log"
    path.write_text(text)
    return read(str(path))


def _build(folder: Path, text: str) -> BuildLog:
    build = _observed(folder, text).build
    assert build is not None
    return build


@pytest.mark.parametrize(
    ("digits", "release"),
    [("100300", "10.3.0"), ("101303", "10.13.3"), ("8503", "8.5.3"), ("8412", "8.4.12"), ("7103", "7.1.3"), ("10001", "10.0.1")],
)
def test_release_in_the_banner(digits: str, release: str) -> None:
    assert release_of(digits) == release


def test_banner_and_options(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        "&&&& RUNNING TensorRT.trtexec [TensorRT v8503] # /usr/bin/trtexec --onnx=a.onnx --useDLACore=1\n"
        "[05/10/2024-12:24:42] [I] === Build Options ===\n"
        "[05/10/2024-12:24:42] [I] Precision: FP32+FP16\n"
        "[05/10/2024-12:24:42] [I] Calibration: \n"
        "[05/10/2024-12:24:42] [I] === System Options ===\n"
        "[05/10/2024-12:24:42] [I] DLACore: 1(With GPU fallback)\n"
        "[05/10/2024-12:24:42] [I] === Device Information ===\n"
        "[05/10/2024-12:24:42] [I] Selected Device: Orin\n"
        "[05/10/2024-12:24:42] [E] Error[4]: Internal Error (it went wrong)\n"
        "&&&& FAILED TensorRT.trtexec [TensorRT v8503] # /usr/bin/trtexec --onnx=a.onnx --useDLACore=1\n",
    )
    assert (build.release, build.command, build.passed) == ("8.5.3", "/usr/bin/trtexec --onnx=a.onnx --useDLACore=1", False)
    assert (build.precision, build.dla_core, build.device) == (("FP32", "FP16"), 1, "Orin")
    assert build.errors == ("Error[4]: Internal Error (it went wrong)",)


def test_names_of_the_parser_and_fusions(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        "[V] [TRT] Registering layer: Conv_0 for ONNX node: /conv/Conv\n"
        "[V] [TRT] Registering layer: ONNXTRT_Broadcast required by ONNX-TRT\n"
        "[V] [TRT] ShuffleShuffleFusion: Fusing /Flatten with reshape_before_/fc/Gemm\n"
        "[V] [TRT] Original: 126 layers\n",
    )
    assert build.registered == {"Conv_0": "/conv/Conv"}
    assert build.fusions == (("/Flatten", "reshape_before_/fc/Gemm"),)
    assert build.counts == {"Original": 126}


def test_engine_layers_of_8(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        "Layer(Reformat): Reformatting CopyNode for Input Tensor 0 to (Unnamed Layer* 0) [Convolution] + (Unnamed Layer* 1) [Scale], "
        "Tactic: 1002, in[Half(1,256,128,150)] -> Reformatted Input Tensor 0 to (Unnamed Layer* 0) [Convolution] + (Unnamed Layer* 1) "
        "[Scale][Half(1,256,128,150)]\n",
    )
    (layer,) = build.engine
    assert (layer.type, layer.tactic, layer.nodes) == ("Reformat", "1002", ())
    assert layer.outputs[0].name == "Reformatted Input Tensor 0 to (Unnamed Layer* 0) [Convolution] + (Unnamed Layer* 1) [Scale]"
    assert layer.outputs[0].dims == (1, 256, 128, 150)


def test_detailed_layers_that_are_printed(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        "[I] Layer Information:\n"
        "[I] Layers:\n"
        "Name: a + b, LayerType: CaskConvolution, Inputs: [ { Name: x, Location: Device, Dimensions: [1,3,8,8], Format/Datatype: Row major "
        "linear FP32 }], Outputs: [ { Name: y, Location: Device, Dimensions: [1,64,8,8], Format/Datatype: Sixteen wide channel vectorized "
        "row major FP16 format }], ParameterType: Convolution, TacticValue: 0x0000000000000001, StreamId: 0, "
        "Metadata: [ONNX Layer: n1]\x1e[ONNX Layer: n2]\n",
    )
    (layer,) = build.engine
    assert (layer.name, layer.type, layer.tactic) == ("a + b", "CaskConvolution", "0x0000000000000001")
    assert (layer.inputs[0].format, layer.outputs[0].format) == (Format("FP32", "linear"), Format("FP16", "CHW16"))
    assert (layer.nodes, layer.stated) == (("n1", "n2"), True)


def test_lines_that_the_logger_cut_keep_what_they_have(tmp_path: Path) -> None:
    build = _build(tmp_path, "Layer(DLA): {ForeignNode[a...b]}, Tactic: 0x03, x (Half[1,3:16,8,8]) -> y (Half[1,64\n")
    (layer,) = build.engine
    assert layer.inputs[0].format == Format("FP16", "CHW16")
    assert (layer.outputs[0].format, layer.outputs[0].dims) == (Format("FP16"), None)


def test_measurements_of_7_and_cached_ones(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        "[TensorRT] VERBOSE: *************** Autotuning Reformat:Float(1536,3,1) -> Half(1536,3,1) ***************\n"
        "[TensorRT] VERBOSE: --------------- Timing Runner: Optimizer Reformat (Reformat)\n"
        "[TensorRT] VERBOSE: Tactic: 1002 Time: 0.008192\n"
        "[TensorRT] VERBOSE: Fastest Tactic: 1002 Time: 0.008192\n"
        "[TensorRT] VERBOSE: =============== Computing costs for conv\n"
        "[TensorRT] VERBOSE: *************** Autotuning format combination: Float(1,2) -> Float(1,2) ***************\n"
        "[TensorRT] VERBOSE: --------------- Timing Runner: conv (CaskConvolution)\n"
        "[TensorRT] VERBOSE: Fastest Tactic: 7 Time: 0.5\n"
        "[TensorRT] VERBOSE: --------------- Timing Runner: conv (CudnnConvolution)\n"
        "[TensorRT] VERBOSE: Fastest Tactic: 7 Time: 0.25\n"
        "[V] [TRT] Optimizer Reformat(t (1) -> <out>) [Float(256,1) -> Half(256,1)] got cached result: Reformat, tactic 0x0f, 0.015 ms\n",
    )
    assert [(item.name, item.inputs, item.outputs, item.ms) for item in build.timings] == [
        ("Optimizer Reformat", ("Float(1536,3,1)",), ("Half(1536,3,1)",), 0.008192),
        ("t (1)", ("Float(256,1)",), ("Half(256,1)",), 0.015),
    ]
    assert build.fastest == {"conv": 0.25}


def test_reformats_that_were_added(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        "[V] [TRT] Original: 3 layers\n"
        "[V] [TRT] Adding reformat layer: Reformatted Input Tensor 0 to a + (Unnamed Layer* 5) [Slice] (t_output (1)) from "
        "Float(9,3,3,1) to Half(9,9:16,3,1)\n",
    )
    (added,) = build.added
    assert added == ("input", 0, "a + (Unnamed Layer* 5) [Slice]", "t_output (1)", "Float(9,3,3,1)", "Half(9,9:16,3,1)")


def _wrapped(text: str, width: int) -> str:
    """``text`` as a terminal breaks it, each long line over several."""
    return "\n".join(line[at : at + width] for line in text.split("\n") for at in range(0, max(len(line), 1), width))


@pytest.mark.parametrize("width", [79, 80, 100, 132])
def test_lists_survive_hard_wraps(tmp_path: Path, width: int) -> None:
    text = (
        "[09/30/2020-13:12:43] [I] [TRT] --------------- Layers running on DLA: \n"
        "[09/30/2020-13:12:43] [I] [TRT] {Tanh_3,Mul_4,Conv_5,BatchNormalization_6,scale_operand_of_Sub_705}, {Tanh_8,Mul_9,Conv_10}, \n"
        "[09/30/2020-13:12:43] [I] [TRT] --------------- Layers running on GPU: \n"
        "[09/30/2020-13:12:43] [I] [TRT] Conv_0, 2253[Constant], (Unnamed Layer* 692) [Constant] + (Unnamed Layer* 693) [Shuffle], Cast, \n"
    )
    whole, broken = _build(tmp_path, text).placement, _build(tmp_path, _wrapped(text, width)).placement
    assert [group.members for group in broken.dla] == [
        ("Tanh_3", "Mul_4", "Conv_5", "BatchNormalization_6", "scale_operand_of_Sub_705"),
        ("Tanh_8", "Mul_9", "Conv_10"),
    ]
    assert (broken.dla, broken.gpu) == (whole.dla, whole.gpu)


@pytest.mark.parametrize("width", [64, 79, 80, 100])
def test_messages_survive_hard_wraps(tmp_path: Path, width: int) -> None:
    text = (
        "[12/04/2024-11:57:45] [TRT] [W] /model.23/Split: DLA only supports slicing 4 dimensional tensors.\n"
        "[12/04/2024-11:57:45] [TRT] [W] Layer '/model.23/Split' (SLICE): Unsupported on DLA. Switching this layer's device type to GPU.\n"
        "[12/04/2024-11:57:45] [TRT] [W] Default DLA is enabled but layer layer1-act is not running on DLA, falling back to GPU.\n"
    )
    found = _build(tmp_path, _wrapped(text, width)).placement.fallbacks
    assert [(item.layer, item.kind) for item in found] == [("/model.23/Split", "SLICE"), ("layer1-act", "")]
    assert found[0].reason.startswith("DLA only supports slicing")


def test_engine_lines_survive_hard_wraps(tmp_path: Path) -> None:
    text = "[V] [TRT] Engine Layer Information:\nLayer(Scale): data_bn + scale, Tactic: 0, data[Float(-2,3,30,30)] -> bn[Float(-2,3,30,30)]"
    assert _build(tmp_path, _wrapped(text, 62)).engine == _build(tmp_path, text).engine


def test_reason_may_come_after(tmp_path: Path) -> None:
    found = _build(
        tmp_path,
        "[W] [TRT] Default DLA is enabled but layer a is not supported on DLA, falling back to GPU.\n"
        "[W] [TRT] DLA Layer a does not support dynamic shapes in any dimension.\n",
    ).placement.fallbacks
    assert [(item.layer, item.stage, item.reason[:11]) for item in found] == [("a", "check", "DLA Layer a")]


def test_reason_of_another_layer_stays_a_remark(tmp_path: Path) -> None:
    found = _build(
        tmp_path,
        "[W] [TRT] a: DLA cores do not support DIV ElementWise operation.\n"
        "[W] [TRT] Layer 'b' (SHUFFLE): Unsupported on DLA. Switching this layer's device type to GPU.\n",
    ).placement.fallbacks
    assert [(item.layer, item.stage, bool(item.reason)) for item in found] == [("a", "remark", True), ("b", "check", False)]


def test_fallback_that_is_not_allowed(tmp_path: Path) -> None:
    found = _build(
        tmp_path, "[E] [TRT] Default DLA is enabled but layer a is not supported on DLA and falling back to GPU is not enabled.\n"
    ).placement.fallbacks
    assert [(item.layer, item.stage) for item in found] == [("a", "check")]


def test_performance_of_7_and_8(tmp_path: Path) -> None:
    old = _observed(
        tmp_path,
        "[I] Host Latency\n[I] min: 3.1 ms (end to end 3.2 ms)\n[I] max: 4 ms (end to end 5 ms)\n[I] mean: 3.5 ms (end to end 4 ms)\n"
        "[I] percentile: 3.9 ms at 99% (end to end 4.5 ms at 99%)\n[I] throughput: 280 qps\n[I] walltime: 3 s\n",
    ).summary
    assert old is not None
    assert (old.qps, old.metrics) == (280, (("Host Latency", 3.5, None, 3.1, 4.0, ((99.0, 3.9),)),))
    new = _observed(
        tmp_path,
        "[I] === Performance summary ===\n[I] Throughput: 1663.19 qps\n[I] GPU Compute Time: min = 0.6 ms, max = 0.8 ms, mean = 0.63 ms, "
        "median = 0.62 ms, percentile(90%) = 0.7 ms, percentile(99%) = 0.75 ms\n",
    ).summary
    assert new is not None
    assert (new.qps, new.metrics) == (1663.19, (("GPU Compute Time", 0.63, 0.62, 0.6, 0.8, ((90.0, 0.7), (99.0, 0.75))),))


def test_log_and_profile_in_one_file(tmp_path: Path) -> None:
    parts = [SAMPLES / "trt10_verbose_build.txt", SAMPLES / "dumpProfile_trt85_orin.txt"]
    found = _observed(tmp_path, "".join(part.read_text(encoding="utf-8") for part in parts))
    assert found.kinds == ("build log", "profile")
    assert len(found.profiles) == 1
