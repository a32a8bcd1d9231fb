"""Inputs with the dimensions the user fixed: what they become, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dlalint.errors import UsageError
from dlalint.graph import Graph, Model, Shape, TensorType
from dlalint.model.inputs import Overrides, input_types

FIXED = "Export the model again with that size, or with a free dimension."


def _shapes(inputs: Mapping[str, Shape | None], overrides: Overrides) -> dict[str, Shape | None]:
    declared = {name: TensorType("float32", shape) for name, shape in inputs.items()}
    graph = Graph("g", (), {}, tuple(inputs), (), declared)
    found = input_types(Model("m", graph, 8, {"": 17}, ""), tuple(inputs), overrides)
    assert {kind.dtype for kind in found.values()} <= {"float32"}
    return {name: kind.shape for name, kind in found.items()}


@pytest.mark.parametrize(
    ("inputs", "overrides", "found"),
    [
        ({"x": (1, 3)}, Overrides(), {"x": (1, 3)}),
        ({"x": ("N", 3)}, Overrides(), {"x": ("N", 3)}),
        ({"x": ("N", 3)}, Overrides(batch=4), {"x": (4, 3)}),
        ({"x": (None, 3)}, Overrides(batch=4), {"x": (4, 3)}),
        ({"x": ("N", 3), "z": (7, "N")}, Overrides(batch=4), {"x": (4, 3), "z": (7, 4)}),  # a symbol means the same everywhere
        ({"x": ("N", 3), "sizes": (7, 2)}, Overrides(batch=4), {"x": (4, 3), "sizes": (7, 2)}),  # what is fixed has no batch
        ({"x": (4, 3)}, Overrides(batch=4), {"x": (4, 3)}),
        ({"x": (), "z": ("N",)}, Overrides(batch=4), {"x": (), "z": (4,)}),
        ({"x": None}, Overrides(batch=4), {"x": None}),
        ({"x": ()}, Overrides(batch=4), {"x": ()}),
        ({}, Overrides(batch=4), {}),
        ({"x": ("N", 3, "H")}, Overrides({"x": (2, 3, 5)}), {"x": (2, 3, 5)}),
        ({"x": ("N", "H"), "z": ("N", "H", "W")}, Overrides({"x": (2, 5)}), {"x": (2, 5), "z": (2, 5, "W")}),
        ({"x": (None, 3), "z": (None, 3)}, Overrides({"x": (2, 3)}), {"x": (2, 3), "z": (None, 3)}),
        ({"x": None}, Overrides({"x": (2, 3)}), {"x": (2, 3)}),
        ({"x": (2, 3)}, Overrides({"x": (2, 3)}), {"x": (2, 3)}),
        ({"x": ("N", 3), "z": ("M", 3)}, Overrides({"x": (2, 3)}, batch=4), {"x": (2, 3), "z": (4, 3)}),
    ],
)
def test_overrides(inputs: Mapping[str, Shape | None], overrides: Overrides, found: Mapping[str, Shape | None]) -> None:
    assert _shapes(inputs, overrides) == found


@pytest.mark.parametrize(
    ("inputs", "overrides", "where", "what", "cure"),
    [
        ({"x": (1, 3)}, Overrides(batch=4), "--batch 4", "input 'x' is fixed at 1x3 in the file", FIXED),
        ({"a": (1,), "x": (2, "N")}, Overrides(batch=4), "--batch 4", "input 'a' is fixed at 1 in the file", FIXED),
        ({"x": ("N", 3)}, Overrides({"x": (2, 4)}), "--shape x", "input 'x' is fixed at Nx3 in the file", FIXED),
        ({"x": (None, 3)}, Overrides({"x": (2, 4)}), "--shape x", "input 'x' is fixed at ?x3 in the file", FIXED),
        ({"x": (1, 3)}, Overrides({"x": (1, 3, 1)}), "--shape x", "input 'x' has 2 dimensions, not 3", "Its shape in the file: 1x3."),
        (
            {"x": ()},
            Overrides({"x": (1,)}),
            "--shape x",
            "input 'x' has 0 dimensions, not 1",
            "Its shape in the file: scalar.",
        ),
        ({"x": (1,), "z": (1,)}, Overrides({"q": (1,)}), "--shape q", "the model has no input 'q'", "Its inputs: 'x', 'z'."),
        ({}, Overrides({"q": (1,)}), "--shape q", "the model has no input 'q'", "It has no inputs at all."),
    ],
)
def test_what_does_not_fit(inputs: Mapping[str, Shape | None], overrides: Overrides, where: str, what: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        _shapes(inputs, overrides)
    error = caught.value
    assert (error.code, error.where, error.what, error.cure) == ("E501", where, what, cure)


def test_an_input_without_a_type() -> None:
    model = Model("m", Graph("g", (), {}, ("x",), (), {}), 8, {"": 17}, "")
    assert input_types(model, ("x",), Overrides(batch=2)) == {"x": TensorType("undefined", None)}
    assert input_types(model, ("x",), Overrides({"x": (2,)})) == {"x": TensorType("undefined", (2,))}
