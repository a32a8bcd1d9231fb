"""What files of each kind say on the device of a node, and what they leave open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlalint.engine.targets import parse
from dlalint.graphview import GraphView
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.trtexec.comparison import Comparison
from dlalint.trtexec.observed import LogError
from tests.trtexec import drawn, holding
from tests.trtexec.drawn import node

HEAD = "[I] [TRT] ---------- Layers Running on DLA ----------\n"
MIDDLE = "[I] [TRT] ---------- Layers Running on GPU ----------\n"
END = "&&&& PASSED TensorRT.trtexec [TensorRT v8503] # trtexec --onnx=m.onnx --fp16 --useDLACore=0\n"
DLA, GPU = "[I] [TRT] [DlaLayer] ", "[I] [TRT] [GpuLayer] "
BRACES = "[I] [TRT] --------------- Layers running on DLA: \n"
WARNED = "Default DLA is enabled but layer {} is not running on DLA, falling back to GPU.\n"
OPENED = tuple[GraphView, Outcome]


@pytest.fixture(scope="module")
def opened(session: Session, tmp_path_factory: pytest.TempPathFactory) -> OPENED:
    """conv - relu - (sigmoid, tanh) - add - erf - reshape - flat."""
    model = drawn.made(
        node("Conv", "conv", "x w", "a"),
        node("Relu", "relu", "a", "b"),
        node("Sigmoid", "sigmoid", "b", "c"),
        node("Tanh", "tanh", "b", "d"),
        node("Add", "add", "c d", "e"),
        node("Erf", "erf", "e", "f"),
        node("Flatten", "flat", "f", "out"),
        node("MaxPool", "pool", "x", "side", kernel_shape=[2, 2]),
        outputs=("out", "side"),
        weights=(drawn.weight("w", 8, 8, 1, 1),),
    )
    view = session.view(drawn.saved(model, tmp_path_factory.mktemp("claims")))
    return view, session.check(view, parse("orin-trt8.5", session.rules))


def _devices(found: Comparison) -> dict[str, str]:
    return {pair.node.id: pair.real.device for pair in found.pairs}


def _all(**known: str) -> dict[str, str]:
    return {**dict.fromkeys(("conv", "relu", "sigmoid", "tanh", "add", "erf", "flat", "pool"), ""), **known}


INSIDE = {"conv": "dla", "relu": "dla", "sigmoid": "dla", "tanh": "dla", "add": "dla"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a range holds all ways between its ends; what no list names is left open where the log stops there
        (HEAD + DLA + "{ForeignNode[conv...add]}\n" + MIDDLE + GPU + "UNARY: erf\n", _all(**INSIDE, erf="gpu")),
        # and is on the DLA where the log goes on; a reshape may have vanished
        (HEAD + DLA + "{ForeignNode[conv...add]}\n" + MIDDLE + GPU + "UNARY: erf\n" + END, _all(**INSIDE, erf="gpu", pool="dla")),
        # a layer in the list of the GPU is there, though it lies between the ends
        (HEAD + DLA + "{ForeignNode[conv...add]}\n" + MIDDLE + GPU + "ACTIVATION: tanh\n", _all(**{**INSIDE, "tanh": "gpu"})),
        # helpers, constants and fused names; copies count apart
        (
            HEAD + DLA + "{ForeignNode[conv + (Unnamed Layer* 3) [ElementWise]...relu]}\n" + MIDDLE
            + GPU + "SHUFFLE: flat + (Unnamed Layer* 9) [Shuffle]\n"
            + GPU + "CONSTANT: w\n" + GPU + "SCALE: w + (Unnamed Layer* 4) [Shuffle] + erf\n",
            _all(conv="dla", relu="dla", erf="gpu", flat="not-dla"),
        ),
        # a shuffle that belongs to another node says nothing of it
        (HEAD + DLA + "{ForeignNode[conv]}\n" + MIDDLE + GPU + "SHUFFLE: erf\n", _all(conv="dla")),
        # braces name all, and with ... between the ends the rest is filled in
        (BRACES + "[I] [TRT] {conv,relu}, {add},\n[I] [TRT] --------------- Layers running on GPU: \n[I] [TRT] sigmoid, PWN(tanh), erf,\n",
         _all(conv="dla", relu="dla", add="dla", sigmoid="gpu", tanh="gpu", erf="gpu")),
        (BRACES + "[I] [TRT] {conv,...,add},\n", _all(**INSIDE)),
        # warnings only: what they name; in a log that has an end everything else ran on the DLA
        (WARNED.format("erf"), _all(erf="gpu")),
        ("useDLACore: 0\n" + WARNED.format("erf") + WARNED.format("flat") + "Average over 10 runs is 49.0278 ms\n",
         _all(**INSIDE, erf="gpu", flat="not-dla", pool="dla")),
        # past the limit only the first layer of each candidate is named
        ("useDLACore: 0\nDLA supports only 8 subgraphs per DLA core. Switching to GPU for layer add\nAverage over 10 runs is 49.0278 ms\n",
         _all(add="gpu")),
        ("[W] [TRT] setDefaultDeviceType was called but no layer in the network can run on DLA.\n" + END,
         {**dict.fromkeys(("conv", "relu", "sigmoid", "tanh", "add", "erf", "pool"), "gpu"), "flat": ""}),
        # the list of TensorRT 10 is from before the limit
        (HEAD + "".join(f"{DLA}{name}\n" for name in INSIDE) + MIDDLE + GPU + "UNARY: erf\n", _all(**INSIDE, erf="gpu")),
        ("DLA supports only 16 subgraphs per DLA core. Switching to GPU for layer add\n"
         + HEAD + "".join(f"{DLA}{name}\n" for name in INSIDE) + MIDDLE, _all(add="gpu")),
        (HEAD + "".join(f"{DLA}{name}\n" for name in INSIDE) + MIDDLE
         + "[V] [TRT] {ForeignNode[conv...relu]} successfully offloaded to DLA.\n"
         + "[V] [TRT] {ForeignNode[conv...relu]}: DLA Network Layer Information:\n"
         + "".join(f"Layer(ACTIVATION): {name}, Precision: Half, a'[Half([1,8])] -> b'[Half([1,8])]\n" for name in ("conv", "relu"))
         + "[V] [TRT] Number of DLA node candidates offloaded : 1 out of 2\n",
         _all(conv="dla", relu="dla", sigmoid="gpu", tanh="gpu", add="gpu")),
        # cuDLA times layers of a loadable
        ("layer_name,start_ms,end_ms\n'conv + relu',0.1,0.2\n'add',0.2,0.3\n", _all(conv="dla", relu="dla", add="dla")),
    ],
)  # fmt: skip
def test_devices(opened: OPENED, tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    assert _devices(holding.compared(*opened, text, tmp_path)) == expected


def _layers(*layers: tuple[str, str, str]) -> str:
    entries = [
        {
            "Name": name,
            "LayerType": kind,
            "Inputs": [],
            "Outputs": [{"Name": f"{name}_out", "Dimensions": [1, 8], "Format/Datatype": "FP16"}],
            "Metadata": metadata,
        }
        for name, kind, metadata in layers
    ]
    return json.dumps({"Layers": entries, "Bindings": ["x", "out"]})


def test_layer_information(opened: OPENED, tmp_path: Path) -> None:
    """Types tell loadables from Myelin, metadata tells the nodes; reformats and copies are nobody's."""
    text = _layers(
        ("Reformatting CopyNode for Input Tensor 0 to {ForeignNode[conv...relu]}", "Reformat", ""),
        ("{ForeignNode[conv...relu]}", "DLA", ""),
        ("{ForeignNode[sigmoid...add]}", "Myelin", ""),
        ("erf_kernel", "Unary", "[ONNX Layer: erf]\x1e[ONNX Layer: pool]"),
        ("flat", "NoOp", ""),
        ("flat_copy_output", "Reformat", ""),
    )
    found = holding.compared(*opened, text, tmp_path)
    assert _devices(found) == _all(conv="dla", relu="dla", sigmoid="gpu", add="gpu", erf="gpu", pool="gpu", flat="not-dla")
    assert found.loaded == 1
    assert found.unjoined == ()


def test_metadata_of_a_loadable_names_all_of_it(opened: OPENED, tmp_path: Path) -> None:
    text = _layers(("{ForeignNode[conv...pool]}", "DLA", "[ONNX Layer: conv]\x1e[ONNX Layer: relu]\x1e[ONNX Layer: pool]"))
    found = holding.compared(*opened, text, tmp_path)
    assert _devices(found) == _all(conv="dla", relu="dla", pool="dla")
    assert [item.exact for item in found.loadables] == [True]


def test_unnamed_layer_is_told_by_its_output(opened: OPENED, tmp_path: Path) -> None:
    text = _layers(("{ForeignNode[conv...relu]}", "DLA", ""), ("(Unnamed Layer* 7) [Unary]", "Unary", ""))
    text = text.replace("(Unnamed Layer* 7) [Unary]_out", "f")
    found = holding.compared(*opened, text, tmp_path)
    assert _devices(found)["erf"] == "gpu"
    assert found.unnamed == (("(Unnamed Layer* 7) [Unary]", 5),)


def test_profile(opened: OPENED, tmp_path: Path) -> None:
    rows = [("{conv,relu}", 5.0), ("add input reformatter 0", 1.0), ("add", 0.5), ("erf + flat", 0.5), ("side copy", 0.1)]
    text = "=== Profile (10 iterations ) ===\n  Layer   Time (ms)   Avg. Time (ms)   Time %\n"
    text += "".join(f"{name}  {ms * 10:.2f}  {ms:.2f}  {ms / 7.1 * 100:.1f}\n" for name, ms in rows) + "Total  71.00  7.10  100.0\n"
    assert _devices(holding.compared(*opened, text, tmp_path)) == _all(conv="dla", relu="dla", add="gpu", erf="gpu", flat="not-dla")


def test_name_that_may_be_myelin_is_not_told(opened: OPENED, tmp_path: Path) -> None:
    text = json.dumps(
        [
            {"count": 3},
            *({"name": name, "timeMs": 3.0, "averageMs": 1.0, "percentage": 50.0} for name in ("{ForeignNode[conv...add]}", "erf")),
        ]
    )
    found = holding.compared(*opened, text, tmp_path)
    assert _devices(found) == _all(erf="gpu")
    assert {pair.real.why for pair in found.pairs if pair.node.id in ("conv", "add")} == {"its entry may be a loadable or GPU code"}
    assert any("Myelin" in note for note in found.notes)


def test_reasons_are_joined_with_nodes(opened: OPENED, tmp_path: Path) -> None:
    text = (
        "[W] [TRT] Unary operation: ERF is not supported on DLA.\n"
        "[W] [TRT] Layer 'erf' (UNARY): Unsupported on DLA. Switching this layer's device type to GPU.\n"
        "[W] [TRT] Splitting DLA subgraph at: pool because DLA validation failed for this layer.\n"
    ) + HEAD + DLA + "{ForeignNode[conv...add]}\n" + MIDDLE + GPU + "UNARY: erf\n" + GPU + "POOLING: pool\n"  # fmt: skip
    found = holding.compared(*opened, text, tmp_path)
    reasons = {pair.node.id: pair.real.reason for pair in found.pairs if pair.real.reason}
    assert reasons == {
        "erf": "Unary operation: ERF is not supported on DLA.",
        "pool": "the DLA compiler refused it and split the subgraph there",
    }


def test_loadables_cut_otherwise(opened: OPENED, tmp_path: Path) -> None:
    """All nodes where predicted, but in three loadables and not in one."""
    names = ["conv...relu", "sigmoid...add", "pool"]
    text = HEAD + "".join(f"{DLA}{{ForeignNode[{name}]}}\n" for name in names) + MIDDLE + GPU + "UNARY: erf\n"
    found = holding.compared(*opened, text, tmp_path)
    assert found.outcome.summary.loadables == 1
    assert found.loaded == 3
    assert found.differing == ()
    assert [item.same for item in found.loadables] == [False, False, False]
    assert not found.agrees


def test_files_of_another_network(opened: OPENED, tmp_path: Path) -> None:
    text = HEAD + "".join(f"{DLA}{{ForeignNode[/layer{number}/Conv]}}\n" for number in range(30)) + MIDDLE
    with pytest.raises(LogError) as caught:
        holding.compared(*opened, text, tmp_path)
    assert caught.value.code == "E138"
    assert "of 30 names in them (/layer0/Conv, /layer1/Conv, /layer2/Conv, /layer3/Conv, ...) the model has 0" in caught.value.what


def test_mostly_another_network_is_doubtful(opened: OPENED, tmp_path: Path) -> None:
    text = HEAD + "".join(f"{DLA}{name}\n" for name in ("conv", "a1", "a2")) + MIDDLE
    found = holding.compared(*opened, text, tmp_path)
    assert found.differing == ()
    assert found.doubtful
    assert not found.agrees


def test_layers_without_any_name_of_a_node(opened: OPENED, tmp_path: Path) -> None:
    text = HEAD + DLA + "{ForeignNode[(Unnamed Layer* 0) [Convolution]]}\n" + MIDDLE + GPU + "UNARY: (Unnamed Layer* 9) [Unary]\n"
    with pytest.raises(LogError) as caught:
        holding.compared(*opened, text, tmp_path)
    assert caught.value.code == "E136"
    assert "(Unnamed Layer* 0) [Convolution]" in caught.value.what
