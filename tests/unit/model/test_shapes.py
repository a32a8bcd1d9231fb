"""What is asked of onnx, what is remembered, and how inference and declarations are put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import pytest

from dlalint.graph import Attribute, Op, Tensor, TensorType
from dlalint.graphview import Value
from dlalint.model import encode
from dlalint.model.shapes import MAX_CRASHES, ShapeOracle, merged
from dlalint.worker import NativeError, Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as found:
        yield found


@pytest.fixture
def oracle(worker: Worker) -> ShapeOracle:
    return ShapeOracle(worker)


def _op(op_type: str, domain: str = "", **attributes: Attribute) -> Op:
    return Op(op_type, domain, attributes, encode.operator(op_type, domain, attributes))


def _float(*shape: Any) -> TensorType:
    return TensorType("float32", shape)


def _ask(
    oracle: ShapeOracle, op: Op, inputs: Sequence[TensorType | None], values: Sequence[Value | None] = (), count: int = 1, opset: int = 17
) -> tuple[TensorType | None, ...]:
    found = oracle.answer(op, inputs, values or [None] * len(inputs), count, {"": opset, "ai.onnx.ml": 3}, 8)
    return found if found is not None else (None,) * count


def test_outputs(oracle: ShapeOracle) -> None:
    assert _ask(oracle, _op("Relu"), [_float(1, "N", None)]) == (_float(1, "N", None),)
    assert _ask(oracle, _op("Split", axis=0), [_float(4, 2)], count=2) == (_float(2, 2), _float(2, 2))
    assert _ask(oracle, _op("Clip"), [_float(2), None, None]) == (_float(2),)
    assert _ask(oracle, _op("Scaler", "ai.onnx.ml"), [_float(2, 3)]) == (TensorType("float32", None),)
    assert _ask(oracle, _op("NoSuchOperator"), [_float(2)], count=2) == (None, None)
    assert _ask(oracle, _op("MatMul"), [_float(2, 3), _float(4, 5)]) == (None,)


def test_values_are_given(oracle: ShapeOracle) -> None:
    shape = Value("int64", (2,), (3, -1))
    assert _ask(oracle, _op("Reshape"), [_float(2, 6), TensorType("int64", (2,))], [None, shape]) == (_float(3, 4),)
    pads = Value("int64", (4,), (0, 1, 0, 2))
    assert _ask(oracle, _op("Pad"), [_float(2, 6), TensorType("int64", (4,)), None], [None, pads, None]) == (_float(2, 9),)


def test_a_question_is_asked_once(oracle: ShapeOracle) -> None:
    for _ in range(3):
        assert _ask(oracle, _op("Relu"), [_float(7)]) == (_float(7),)
        assert _ask(oracle, _op("NoSuchOperator"), [_float(7)]) == (None,)
    assert oracle.questions == 2
    for other in (_float(8), TensorType("float16", (7,))):
        assert _ask(oracle, _op("Relu"), [other]) == (other,)
    _ask(oracle, _op("Relu"), [_float(7)], opset=13)
    _ask(oracle, _op("Elu", alpha=1.0), [_float(7)])
    _ask(oracle, _op("Elu", alpha=2.0), [_float(7)])
    _ask(oracle, _op("Clip"), [_float(7)])
    _ask(oracle, _op("Clip"), [_float(7), None])
    assert oracle.questions == 9


def test_float_constants_are_part_of_the_question_only_where_they_decide_shapes(oracle: ShapeOracle) -> None:
    inputs = [_float(1, 2, 4, 4), _float(4)]
    one, two = (Value("float32", (4,), (1.0, 1.0, factor, factor)) for factor in (2.0, 3.0))
    assert _ask(oracle, _op("Mul"), inputs, [None, one]) == _ask(oracle, _op("Mul"), inputs, [None, two]) == (_float(1, 2, 4, 4),)
    assert oracle.questions == 1
    resize = [_float(1, 2, 4, 4), None, _float(4)]
    assert _ask(oracle, _op("Resize"), resize, [None, None, one]) == (_float(1, 2, 8, 8),)
    assert _ask(oracle, _op("Resize"), resize, [None, None, two]) == (_float(1, 2, 12, 12),)
    assert oracle.questions == 3


def test_operators_that_cannot_be_written_again_are_not_asked(oracle: ShapeOracle) -> None:
    tensor = Tensor("t", "float32", (1 << 20,))
    assert _ask(oracle, Op("ConstantOfShape", "", {"value": tensor}), [TensorType("int64", (1,))]) == (None,)
    assert oracle.questions == 0
    assert _ask(oracle, Op("Relu", "", {"long": (1.0,) * 9999}), [_float(2)]) == (None,)  # onnx refuses the attribute
    assert _ask(oracle, Op("Elu\udcff", "", {"long": (1.0,) * 9999}), [_float(2)]) == (None,)
    assert oracle.questions == 2


# crashes

CRASH = _op("GatherND", batch_dims=-7)
INDICES = TensorType("int64", (1, 2))


def _crash(oracle: ShapeOracle, size: int = 2) -> None:
    assert _ask(oracle, CRASH, [_float(size, 3), INDICES]) == (None,)
    if not oracle.crashes:  # pragma: no cover
        pytest.skip(f"onnx {onnx.__version__} survives it")


def test_a_crash_is_remembered_and_told_of_every_model(oracle: ShapeOracle) -> None:
    _crash(oracle)
    (error,) = oracle.crashes
    assert isinstance(error, NativeError)
    assert error.what == "onnx died with signal 11 in shape inference of GatherND"
    asked = oracle.questions
    oracle.forget_crashes()
    assert oracle.crashes == []
    _crash(oracle)
    assert oracle.crashes == [error]
    assert oracle.questions == asked


def test_after_some_crashes_a_model_is_not_asked_about_any_more(oracle: ShapeOracle) -> None:
    for size in range(MAX_CRASHES):
        _crash(oracle, size + 2)
    assert len(oracle.crashes) == MAX_CRASHES
    assert _ask(oracle, _op("Relu"), [_float(99)]) == (None,)
    assert _ask(oracle, CRASH, [_float(99, 3), INDICES]) == (None,)
    assert len(oracle.crashes) == oracle.questions == MAX_CRASHES
    oracle.forget_crashes()
    assert _ask(oracle, _op("Relu"), [_float(99)]) == (_float(99),)  # the next model is


def test_all_answers_for_a_model_share_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with Worker() as own:
        assert own.newest_opset > 0
        found = ShapeOracle(own)
        assert _ask(found, _op("Relu"), [_float(1)]) == (_float(1),)
        own.timeout = found._seconds * 1.5
        while not found.crashes:
            answered = found.questions
            assert _ask(found, _op("Relu"), [_float(answered + 1)]) == (_float(answered + 1),)
            assert answered < 10_000  # the first answer may have been slow
        (error,) = found.crashes
        assert error.what == f"onnx took more than {own.timeout:g} s in the shape inference of all nodes together"
        assert _ask(found, _op("Relu"), [_float(0)]) == (None,)
        assert _ask(found, _op("Relu"), [_float(1)]) == (_float(1),)  # what is known costs nothing
        found.forget_crashes()
        own.timeout = 10.0
        assert _ask(found, _op("Relu"), [_float(0)]) == (_float(0),)
        assert found.crashes == []


def test_an_answer_that_never_comes_is_told_of_once() -> None:
    with Worker(0.2) as own:
        found = ShapeOracle(own)
        assert _ask(found, _op("Einsum", equation=b"i2->i"), [_float(2)]) == (None,)
        if not found.crashes:  # pragma: no cover
            pytest.skip(f"onnx {onnx.__version__} comes to an end")
        assert [error.what for error in found.crashes] == ["onnx took more than 0.2 s in shape inference of Einsum"]
        assert _ask(found, _op("Einsum", equation=b"i2->i"), [_float(3)]) == (None,)
        assert (len(found.crashes), found.questions) == (1, 1)


# inference and the file


@pytest.mark.parametrize(
    ("inferred", "declared", "found"),
    [
        (None, None, None),
        (None, _float(1), _float(1)),
        (_float(1), None, _float(1)),
        (TensorType("undefined", None), _float(1), _float(1)),
        (TensorType("undefined", None), None, None),
        (_float(1), _float(2), _float(1)),
        (_float(1), TensorType("float16", (2,)), _float(1)),
        (_float("N", None, 3), _float(1, 2, 4), _float(1, 2, 3)),
        (_float("N", None), _float("M", "K"), _float("N", None)),
        (TensorType("float32", None), _float(1, 2), _float(1, 2)),
        (_float("N"), _float(1, 2), _float("N")),
        (_float("N"), TensorType("float32", None), _float("N")),
        # sizes that no tensor has
        (_float(1, -3), None, _float(1, None)),
        (_float(1, -3), _float(1, 4), _float(1, 4)),
        (_float(1, None), _float(1, -1), _float(1, None)),
        (None, _float(-1, 3), _float(None, 3)),
        (None, _float(1 << 31, 3), _float(None, 3)),
        (None, _float((1 << 31) - 1), _float((1 << 31) - 1)),
        (_float(1 << 30, 1 << 30, 4), None, TensorType("float32", None)),
        (_float(1 << 30, 1 << 30, 3), None, _float(1 << 30, 1 << 30, 3)),
        (_float(1 << 30, 1 << 30, 4, 0), None, TensorType("float32", None)),
        (_float(*[1] * 65), None, TensorType("float32", None)),
        (_float(*[1] * 64), None, _float(*[1] * 64)),
        (_float(), None, _float()),
        (_float(0, 3), _float(5, 3), _float(0, 3)),
    ],
)
def test_merged(inferred: TensorType | None, declared: TensorType | None, found: TensorType | None) -> None:
    assert merged(inferred, declared) == found
