"""What the rule data would have to say for a build: by the log's own reason, by the rule that was wrong, by contrast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest

from dlalint.cli.compare import Measurer, book_of
from dlalint.engine.targets import parse
from dlalint.finding import Limit, LimitValue
from dlalint.pipeline import Session
from dlalint.trtexec.contrast import Alternative, Checked, alternatives, widened
from dlalint.trtexec.correction import Correction, Group, groups, toml
from dlalint.trtexec.reasons import Stated, stated
from tests.trtexec import drawn, holding
from tests.trtexec.drawn import node, weight


def _groups(
    session: Session,
    folder: Path,
    model: onnx.ModelProto,
    target: str,
    *,
    dla: Sequence[str],
    gpu: Sequence[str] = (),
    said: Sequence[str] = (),
) -> tuple[Group, ...]:
    """The causes, for a log with these entries in its lists and ``said`` before them."""
    view = session.view(drawn.saved(model, folder))
    outcome = session.check(view, parse(target, session.rules))
    lines = [*said, "---------- Layers Running on DLA ----------", *(f"[DlaLayer] {entry}" for entry in dla)]
    lines += ["---------- Layers Running on GPU ----------", *(f"[GpuLayer] {entry}" for entry in gpu)]
    found = holding.compared(view, outcome, "\n".join(lines) + "\n", folder)
    return groups(found, book_of(session.rules, outcome), Measurer(session.rules, outcome))


def test_reason_of_the_log_names_the_limit(session: Session, tmp_path: Path) -> None:
    model = drawn.made(node("Relu", "a", "x", "y"), node("Sub", "b", "y x", "z"), outputs=("z",))
    said = [
        "b: DLA cores do not support SUB ElementWise operation.",
        "Layer 'b' (ELEMENTWISE): Unsupported on DLA. Switching this layer's device type to GPU.",
    ]
    (group,) = _groups(session, tmp_path, model, "orin-trt10.3", dla=["a"], gpu=["ELEMENTWISE: b"], said=said)
    assert [pair.node.id for pair in group.pairs] == ["b"]
    assert group.rules == ()
    assert group.reason == "DLA cores do not support SUB ElementWise operation."
    now, value = ("SUM", "PROD", "MAX", "MIN", "SUB"), ("SUM", "PROD", "MAX", "MIN")
    assert group.corrections == (Correction("elementwise.operations", "observed", now, value, "the log says so"),)
    assert toml(group.corrections, "orin", "my-build") == [
        "[soc.orin.observed.my-build]",
        '"elementwise.operations" = ["SUM", "PROD", "MAX", "MIN"]  # now ["SUM", "PROD", "MAX", "MIN", "SUB"]; the log says so',
    ]


def test_limit_that_was_too_tight_moves(session: Session, tmp_path: Path) -> None:
    model = drawn.made(
        node("Conv", "wide", "x w", "y", kernel_shape=[33, 1], pads=[16, 0, 16, 0]),
        node("Relu", "r", "y", "z"),
        outputs=("z",),
        weights=(weight("w", 8, 8, 33, 1),),
    )
    (group,) = _groups(session, tmp_path, model, "xavier-trt5.0", dla=["{ForeignNode[wide...r]}"])
    assert [code for code, _ in group.rules] == ["DLA201"]
    assert group.corrections == (Correction("conv.kernel", "observed", (1, 32), (1, 33), "1 node beyond it on the DLA"),)


def test_kind_that_no_rule_allows_is_added(session: Session, tmp_path: Path) -> None:
    model = drawn.made(node("Relu", "a", "x", "y"), node("TopK", "t", "y k", "z i", axis=1), outputs=("z",), weights=(_k(),))
    (group,) = _groups(session, tmp_path, model, "orin-trt10.3", dla=["a", "t"])
    assert group.corrections == (Correction("layer.kinds", "kinds", None, "TOPK", "1 node of this kind on the DLA"),)
    assert toml(group.corrections, "orin", "my-build") == [
        "[soc.orin.kinds]",
        'my-build = ["TOPK"]  # 1 node of this kind on the DLA',
    ]


def _k() -> onnx.TensorProto:
    return onnx.helper.make_tensor("k", onnx.TensorProto.INT64, [1], [4])


def test_limit_without_a_number_is_lifted(session: Session, tmp_path: Path) -> None:
    model = drawn.made(node("Relu", "a", "x", "y"), node("Concat", "c", "x y", "z", axis=2), outputs=("z",))
    (group,) = _groups(session, tmp_path, model, "orin-trt10.3", dla=["a", "c"])
    assert [(item.limit, item.table, item.value) for item in group.corrections] == [("concat.axis", "lifted", None)]
    assert toml(group.corrections, "orin", "my-build")[0] == "[soc.orin.lifted]"


def test_contrast_with_layers_that_ran_on_the_dla(session: Session, tmp_path: Path) -> None:
    """Without a reason in the log: the refused convolution has a larger kernel than all that were accepted."""
    sizes = {"one": 1, "three": 3, "seven": 7}
    nodes, last = [], "x"
    for name, size in sizes.items():
        nodes.append(node("Conv", name, f"{last} w{size}", f"t{size}", kernel_shape=[size, size], pads=[size // 2] * 4))
        last = f"t{size}"
    model = drawn.made(*nodes, outputs=(last,), weights=tuple(weight(f"w{size}", 8, 8, size, size) for size in sizes.values()))
    (group,) = _groups(session, tmp_path, model, "orin-trt8.5", dla=["{ForeignNode[one...three]}"], gpu=["CONVOLUTION: seven"])
    assert [pair.node.id for pair in group.pairs] == ["seven"]
    found = {item.limit: item for item in group.corrections}
    assert found["conv.kernel"].value == (1, 3)
    assert found["conv.kernel"].because == "up to 3 ran on the DLA, 7 and more did not"
    lines = toml(group.corrections, "orin", "my-build", either=group.either)
    assert group.either
    assert sum(line.startswith("# or: ") for line in lines) == 2 * (len(found) - 1)


def test_kind_that_never_ran_on_the_dla(session: Session, tmp_path: Path) -> None:
    model = drawn.made(node("Relu", "a", "x", "y"), node("MaxPool", "m", "y", "z", kernel_shape=[2, 2]), outputs=("z",))
    (group,) = _groups(session, tmp_path, model, "orin-trt8.5", dla=["{ForeignNode[a]}"], gpu=["POOLING: m"])
    assert group.corrections == (Correction("layer.kinds", "without", None, "POOLING", "none of 1 node ran on the DLA"),)
    assert toml(group.corrections, "orin", "my-build") == ["# POOLING must leave [kinds]: none of 1 node ran on the DLA"]


def test_what_the_rules_say_already_is_no_correction(session: Session, tmp_path: Path) -> None:
    model = drawn.made(node("Relu", "a", "x", "y"), node("Relu", "b", "y", "z"), outputs=("z",))
    view = session.view(drawn.saved(model, tmp_path))
    outcome = session.check(view, parse("orin-trt8.5", session.rules))
    text = "[W] [TRT] DLA supports only 16 subgraphs per DLA core. Switching to GPU for layer b\n"
    found = holding.compared(view, outcome, text, tmp_path)
    (group,) = groups(found, book_of(session.rules, outcome), Measurer(session.rules, outcome))
    assert group.reason == "DLA supports only 16 subgraphs per DLA core"
    assert group.corrections == ()
    assert group.remark == "The rule data say so already (loadables.max = 16): not a number is wrong, which candidates stay differs."


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Dimension: 3 (22680) exceeds maximum allowed size for DLA: 8192", Stated("tensor.size", 8192)),
        (
            "DLA LAYER: Batch size (combined volume except for CHW dimensions) 128 for layer a exceeds max batch size allowed of 32.",
            Stated("batch.size", 32),
        ),
        ("DLA supports only 8 subgraphs per DLA core", Stated("loadables.max", 8)),
        ("DLA only supports slicing 4 dimensional tensors.", Stated("slice.rank", 4)),
        ("DLA cores do not support AVG Reduce operation.", Stated("reduce.operations", None, "AVG")),
        ("Unary operation: CEIL is not supported on DLA.", Stated("unary.operations", None, "CEIL")),
        ("ActivationLayer (with ActivationType = LEAKY_RELU) not supported for DLA.", Stated("activation.types", None, "LEAKY_RELU")),
        ("Concatenation on DLA requires at least two inputs.", Stated("concat.inputs", 2)),
        ("DLA only supports concatenation on the C dimension.", Stated("concat.axis", 3)),
        ("This version of DLA does not support reshape layers directly connected to Slice or Concat", Stated("reshape.beside", False)),
        ("DLA Layer a does not support dynamic shapes in any dimension.", Stated("shape.dynamic", False)),
        (
            "MatMul is unsupported on DLA, relax constraints or use Convolution layer instead.",
            Stated("layer.kinds", None, "MATRIX_MULTIPLY"),
        ),
        ("refused in the check, no reason given", None),
    ],
)
def test_reasons(message: str, expected: Stated | None) -> None:
    assert stated(message) == expected


def test_limits_of_reasons_exist(session: Session) -> None:
    """A limit that a message is read as is one that rules use."""
    known = {test.limit for card in session.rules.cards for test in card.tests} | {card.limit for card in session.rules.cards}
    for name in ("tensor.size", "batch.size", "loadables.max", "slice.rank", "slice.modes", "elementwise.operations", "reduce.operations",
                 "unary.operations", "activation.types", "concat.inputs", "concat.axis", "reshape.beside", "shape.dynamic",
                 "tensor.dtypes", "layer.kinds"):  # fmt: skip
        assert name in known, name


def _test(predicate: str, value: object, limit: LimitValue, name: str = "l") -> Checked:
    return Checked(Limit(name, limit, "documented", ()), predicate, value)


@pytest.mark.parametrize(
    ("predicate", "now", "values", "expected"),
    [
        ("range", (1, 32), [(33, 3)], (1, 33)),
        ("range", (1, 32), [0, 40], (0, 40)),
        ("at_most", 8, [9, 12], 12),
        ("at_least", 2, [1], 1),
        ("one_of", ("A",), ["B", "A"], ("A", "B")),
        ("equals", 3, [2], None),
        ("outside", (1, 2), [1], None),
        ("at_most", 8, [None], None),
    ],
)
def test_widened(predicate: str, now: LimitValue, values: list[object], expected: LimitValue | None) -> None:
    assert widened(now, [_test(predicate, value, now) for value in values]) == expected


def test_alternatives() -> None:
    accepted = [[_test("at_most", 3, 9, "size"), _test("one_of", "RELU", ("RELU", "TANH"), "type"), _test("range", 4, (1, 9), "maps")]]
    refused = [[_test("at_most", 7, 9, "size"), _test("one_of", "TANH", ("RELU", "TANH"), "type"), _test("range", 2, (1, 9), "maps")]]
    assert alternatives(refused, accepted) == [
        Alternative("type", ("RELU",), "TANH never ran on the DLA here"),
        Alternative("size", 3, "up to 3 ran on the DLA, 7 and more did not"),
        Alternative("maps", (4, 9), "from 4 on it ran on the DLA, 2 and less did not"),
    ]
    assert alternatives([*refused, [_test("at_most", 2, 9, "size")]], accepted) == []
