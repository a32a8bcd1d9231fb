"""Which calls are alike, and which are not: what is remembered of one must hold for the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from dlalint.graph import FLOATING, TensorType
from dlalint.graphview import GraphView, Value
from dlalint.model import kinds as kinds_module
from dlalint.model.inputs import Overrides
from dlalint.model.kinds import Effort, Kinds
from dlalint.pipeline import Session

FLOAT = TensorType("float32", (1, 8, 4, 4))


@pytest.fixture
def own(session: Session) -> Iterator[Session]:
    """A session that remembers nothing yet."""
    with Session(session.rules) as running:
        yield running


def _model(*nodes: NodeProto, opset: int = 17, declared: tuple[int, ...] | None = None, **constants: list[float] | list[int]) -> ModelProto:
    info = helper.make_tensor_value_info
    made = [name for node in nodes for name in node.output if name]
    tensors = [
        helper.make_tensor(name, 1 if isinstance(items[0], float) else 7, (len(items),) if len(items) > 1 else (), items)
        for name, items in constants.items()
    ]
    outputs = [info(name, TensorProto.FLOAT, None) for name in made]
    graph = helper.make_graph(list(nodes), "g", [info("x", TensorProto.FLOAT, (1, 8, 4, 4))], outputs, tensors)
    if declared is not None:
        del graph.output[:]
        graph.output.extend(info(name, TensorProto.FLOAT, declared) for name in made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("own", 1)], ir_version=8)


def _view(session: Session, model: ModelProto) -> GraphView:
    return session.view_bytes(model.SerializeToString(), "m.onnx")


def _kinds(session: Session, model: ModelProto) -> list[object]:
    return [call.kind for call in _view(session, model).calls]


def _node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> NodeProto:
    given, made = ([name if name != "-" else "" for name in text.split()] for text in (inputs, outputs))
    return helper.make_node(op_type, given, made, name=f"n_{outputs}", **attributes)


# facts


def test_facts_of_the_same_content_are_one() -> None:
    kinds = Kinds()
    known = kinds.fact(FLOAT)
    assert kinds.fact(TensorType("float32", (1, 8, 4, 4))) is known
    others = [
        kinds.fact(TensorType("float16", (1, 8, 4, 4))),
        kinds.fact(FLOAT, constant=True),
        kinds.fact(FLOAT, free=True),
        kinds.fact(FLOAT, hidden=True),
        kinds.fact(None),
        kinds.fact(TensorType("int64", (1,)), value=Value("int64", (1,), (3,))),
        kinds.fact(TensorType("int64", (1,)), value=Value("int64", (1,), (4,))),
    ]
    assert len({known, *others}) == 8


@pytest.mark.parametrize("dtype", sorted(FLOATING))
def test_floats_are_no_part_of_a_fact(dtype: str) -> None:
    kinds = Kinds()
    one, two = (kinds.fact(TensorType(dtype, (1,)), constant=True, value=Value(dtype, (1,), (item,))) for item in (0.5, 1.5))
    assert one is two
    assert (one.hidden, one.value) == (True, None)


def test_a_fact_is_dynamic_when_a_free_dimension_keeps_its_shape_open() -> None:
    kinds = Kinds()
    found = {shape: kinds.fact(TensorType("float32", shape), free=True).dynamic for shape in ((1, 2), ("N", 2), (None,), None)}
    assert found == {(1, 2): False, ("N", 2): True, (None,): True, None: True}
    assert not kinds.fact(TensorType("float32", ("N", 2))).dynamic


# kinds of calls


def test_alike_but_for_names_and_weights(own: Session) -> None:
    first, second = (
        _kinds(own, _model(_node("Add", "x b", name), _node("Relu", name, f"{name}r"), b=[value] * 4))
        for name, value in (("a", 0.5), ("c", 2.5))
    )
    assert first == second
    assert None not in first
    assert own.effort == Effort(4, 2, 0, 2, 2, 0)  # the made tensors hold their floats in another field than exporters use


def test_clamps_with_other_bounds_are_of_another_kind(own: Session) -> None:
    bounds = ((0.0, 6.0), (0.0, 6.0), (0.0, 20.0), (-0.0, 6.0))
    (six,), (same,), (twenty,), (negative,) = (_kinds(own, _model(_node("Clip", "x low high", "y"), low=[a], high=[b])) for a, b in bounds)
    assert six is same
    assert len({six, twenty, negative}) == 3


def test_integers_that_decide_a_shape_are_part_of_the_kind(own: Session) -> None:
    (flat,), (wide,) = (_kinds(own, _model(_node("Reshape", "x s", "y"), s=shape)) for shape in ([1, 128], [8, 16]))
    assert flat is not wide


def test_operator_attributes_operator_set_and_arity_are_part_of_the_kind(own: Session) -> None:
    models = [
        _model(_node("LeakyRelu", "x", "y")),
        _model(_node("LeakyRelu", "x", "y", alpha=0.5)),
        _model(_node("LeakyRelu", "x", "y"), opset=16),
        _model(_node("LeakyRelu", "x -", "y")),
        _model(_node("Elu", "x", "y")),
        _model(_node("LeakyRelu", "x", "y", domain="own")),
    ]
    assert len({kind for model in models for kind in _kinds(own, model)}) == len(models)


def test_what_the_file_declares_is_part_of_the_kind(own: Session) -> None:
    models = [_model(_node("Unheard", "x", "y", domain="own"), declared=shape) for shape in ((1, 8, 4, 4), (1, 8, 2, 2))]
    views = [_view(own, model) for model in models]
    assert [view.types["y"].shape for view in views] == [(1, 8, 4, 4), (1, 8, 2, 2)]


def test_an_output_left_out_makes_another_kind(own: Session) -> None:
    both, one = (_kinds(own, _model(_node("MaxPool", "x", names, kernel_shape=[2, 2])))[0] for names in ("y i", "y -"))
    assert both is not one


def test_a_shape_that_is_fixed_by_hand_makes_another_kind(own: Session) -> None:
    model = _model(_node("Relu", "x", "y")).SerializeToString()
    plain = own.view_bytes(model, "m.onnx").calls[0].kind
    assert own.view_bytes(model, "m.onnx", Overrides({"x": (1, 8, 4, 4)})).calls[0].kind is not plain


def test_bodies_and_operators_that_hold_tensors_stand_alone(own: Session) -> None:
    branch = helper.make_graph([_node("Relu", "x", "z")], "b", [], [helper.make_tensor_value_info("z", 1, None)])
    chosen = _node("If", "c", "y", then_branch=branch, else_branch=branch)
    condition = _node("ReduceMax", "x", "m", keepdims=0), _node("Cast", "m", "c", to=TensorProto.BOOL)
    stored = helper.make_node("Constant", [], ["k"], "n_k", value=numpy_helper.from_array(np.float32(1.5)))
    found = [call.kind is None for call in _view(own, _model(stored, *condition, chosen)).calls]
    assert found == [True, False, False, True]
    assert own.effort.alone == 1


def test_an_empty_name_is_an_omitted_input_whatever_is_called_so(own: Session) -> None:
    model = _model(_node("Clip", "x - high", "y"), high=[6.0])
    model.graph.initializer.append(TensorProto(name="", data_type=1, dims=[1, 1, 9, 4], raw_data=bytes(144)))
    view = _view(own, model)
    assert view.types["y"] == FLOAT
    assert view.types[""].dims == (1, 1, 9, 4)
    assert view.calls[0].kind is _kinds(own, _model(_node("Clip", "x - high", "y"), high=[6.0]))[0]


def test_floats_that_were_folded_are_known_again(own: Session) -> None:
    """A shape made a float: the second model takes its values from memory."""
    nodes = [_node("Shape", "x", "s"), _node("Cast", "s", "f", to=TensorProto.FLOAT), _node("Add", "f h", "y")]
    for _ in range(2):
        view = _view(own, _model(*nodes, h=[0.5]))
        assert view.values["f"] == Value("float32", (4,), (1.0, 8.0, 4.0, 4.0))
        assert view.values["y"] == Value("float32", (4,), (1.5, 8.5, 4.5, 4.5))
        assert set(view.values) == {"h", "s", "f", "y"}
    assert own.effort._replace(irregular=0) == Effort(6, 4, 2, 0, 0, 0)  # the sum of hidden floats is worked out each time


# room


def test_too_much_is_forgotten_between_two_models(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(_node("Relu", "x", "y"), _node("Relu", "y", "z"))
    before = _kinds(own, model)
    assert _kinds(own, model) == before
    monkeypatch.setattr(kinds_module, "MAX_KINDS", 1)
    after = _kinds(own, model)
    assert after[0] is not before[0]
    assert own.effort == Effort(6, 2, 0, 0, 2, 0)


def test_values_are_a_mapping(own: Session) -> None:
    model = _model(_node("Add", "x b", "y"), b=[1.0, 2.0, 3.0, 4.0])
    model.graph.initializer.append(numpy_helper.from_array(np.array([1.5, 2.5], np.float16), "h"))
    values = _view(own, model).values
    assert (len(values), set(values)) == (2, {"b", "h"})
    assert values["h"] == values["h"] == Value("float16", (2,), (1.5, 2.5))
    assert "y" not in values
    assert values.get("y") is None
