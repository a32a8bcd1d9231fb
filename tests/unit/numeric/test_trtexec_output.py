"""What trtexec --exportOutput writes, in the words of its source: exportJSONOutput, dumpBindingDimensions, dumpBuffer."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.numeric.trtexec_output import MalformedError, parse


def _written(tensors: Sequence[tuple[str, str, str]]) -> str:
    """As the sample's exportJSONOutput writes them, blanks and line ends included."""
    text, separator = "[\n", "  "
    for name, dimensions, values in tensors:
        text += f'{separator}{{ "name" : "{name}"\n'
        separator = ", "
        text += f'  {separator}"dimensions" : "{dimensions}"\n  {separator}"values" : [ {values} ]\n  }}\n'
    return text + "]\n"


def test_the_form_of_a_file() -> None:
    text = _written([("probs", "1x3", "0.0435101, 0.84, 1e-05"), ("index", "1x1", "4")])
    assert text == (
        '[\n  { "name" : "probs"\n  , "dimensions" : "1x3"\n  , "values" : [ 0.0435101, 0.84, 1e-05 ]\n  }\n'
        ', { "name" : "index"\n  , "dimensions" : "1x1"\n  , "values" : [ 4 ]\n  }\n]\n'
    )
    found = parse(text)
    assert {name: array.tolist() for name, array in found.items()} == {"probs": [[0.0435101, 0.84, 1e-05]], "index": [[4.0]]}
    assert all(array.dtype == np.float64 for array in found.values())


@pytest.mark.parametrize(
    ("dimensions", "values", "shape"),
    [
        ("2x3", "1, 2, 3, 4, 5, 6", (2, 3)),
        ("(2, 3)", "1, 2, 3, 4, 5, 6", (2, 3)),
        ("", "7", ()),
        ("()", "7", ()),
        ("6", "1, 2, 3, 4, 5, 6", (6,)),
        ("0x4", "", (0, 4)),
        ("3", "1, 2, 3, 4, 5, 6", (2, 3)),  # two samples of an engine with implicit batch
        ("-1x4", "Final shape is 1x4 reported by the output allocator.\n1, 2, 3, 4", (1, 4)),
        ("-1x4", "Final shape is (2, 4) reported by the output allocator.\n1, 2, 3, 4, 5, 6, 7, 8", (2, 4)),
        ("-1x4", "Final shape is 0x4 reported by the output allocator.\n", (0, 4)),
    ],
)
def test_dimensions(dimensions: str, values: str, shape: tuple[int, ...]) -> None:
    found = parse(_written([("t", dimensions, values)]))["t"]
    assert found.shape == shape
    assert found.size == 0 or found.reshape(-1)[-1] == (7 if shape == () else found.size)


def test_numbers_that_json_does_not_know() -> None:
    found = parse(_written([("t", "8", "nan, -nan, inf, -inf, -nan(ind), NaN, -Infinity, -0")]))["t"]
    assert np.isnan(found[[0, 1, 4, 5]]).all()
    assert found[[2, 3, 6]].tolist() == [np.inf, -np.inf, -np.inf]
    assert np.signbit(found[7])


@pytest.mark.parametrize("name", ["/a/b", 'quote " inside', 'ends with "', "back\\slash", "", 'comma", b', "日本", "{[]}", '"dimensions"'])
def test_names_are_not_escaped(name: str) -> None:
    assert list(parse(_written([(name, "1", "1"), ("after", "1", "2")]))) == [name, "after"]


def test_other_json_of_the_same_form() -> None:
    tensors = [{"values": [1.5, 2.0], "name": "a", "dimensions": "2"}, {"dimensions": "1x1", "values": [3], "name": "b"}]
    for indent in (None, 2):
        found = parse(json.dumps(tensors, indent=indent))
        assert {name: array.tolist() for name, array in found.items()} == {"a": [1.5, 2.0], "b": [[3.0]]}
    assert parse("[]") == {}


GOOD = _written([("t", "1x2", "1, 2")])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[", "no tensor at character 1"),
        ("[1, 2]", "no tensor at character 1"),
        ("[{}]", "tensor '' lacks its name, dimensions or values"),
        (GOOD[:-2], "no tensor at character 71"),
        (GOOD.replace("values", "numbers"), "no dimensions at character 38"),
        (GOOD.replace("]\n  }", "]\n"), "no end of a tensor at character 67"),
        (GOOD.replace("1, 2 ]", "1, 2 "), "no end of a tensor at character 72"),
        (GOOD.replace("1, 2 ]\n  }\n]", "1, 2 "), "no values at character 59"),
        (GOOD.replace("1, 2", "1, two"), "a value of tensor 't' is no number"),
        (GOOD.replace("1, 2", "1, null"), "a value of tensor 't' is no number"),
        (GOOD.replace("1, 2", "1,, 2"), "a value of tensor 't' is no number"),
        (GOOD.replace("1, 2", "1, 2,"), "a value of tensor 't' is no number"),
        (GOOD.replace("1, 2", "1 2"), "a value of tensor 't' is no number"),
        (GOOD.replace("1, 2", '"1", "2"'), "a value of tensor 't' is no number"),
        (GOOD.replace("1, 2", "[1], [2]"), "no end of a tensor at character 64"),
        (GOOD.replace("1, 2", "1, 2, 3"), "tensor 't' has 3 values for the dimensions '1x2'"),
        (GOOD.replace("1, 2", ""), "tensor 't' has 0 values for the dimensions '1x2'"),
        (GOOD.replace("1x2", "-1x2"), "tensor 't' has the dimensions '-1x2'"),
        (GOOD.replace("1x2", "two"), "tensor 't' has the dimensions 'two'"),
        (GOOD.replace("1x2", "9" * 5000), "tensor 't' has the dimensions '999"),
        (GOOD.replace("1x2", "1" + "x1" * 40), "tensor 't' has 2 values for the dimensions"),
        (GOOD.replace("1x2", "0x" + "x".join(["999999999999"] * 8)).replace("1, 2", ""), "tensor 't' has the dimensions '0x999"),
        (_written([("t", "1", "1"), ("t", "1", "1")]), "tensor 't' is there twice"),
    ],
)
def test_what_is_refused(text: str, what: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(text)
    assert str(caught.value).startswith(what)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(["[", "]", "{", "}", '"', "name", "dimensions", "values", ":", ",", " ", "\n", "1", "x", "nan", "Final"])))
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    with contextlib.suppress(MalformedError):
        assert all(array.dtype == np.float64 for array in parse("[" + "".join(parts)).values())


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf)", re.ASCII)
VALUES = st.lists(
    st.sampled_from(["1", "-2.5", "1e-3", "+.5", "nan", "-inf", "", " ", "x", "0x10", "1_0", "1 2", "--1", "\u0661", "(", "1;2"]),
    min_size=1,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(VALUES, st.sampled_from([",", ", ", " ,\n "]))
def test_values_are_all_numbers_or_refused(values: list[str], separator: str) -> None:
    text = _written([("t", str(len(values)), separator.join(values))])
    if all(NUMBER.fullmatch(value.strip()) for value in values):
        assert np.array_equal(parse(text)["t"], [float(value) for value in values], equal_nan=True)
    else:
        with pytest.raises(MalformedError):
            parse(text)


def test_long_odd_text_takes_no_time() -> None:
    for part in (" ", ",", '"', "{", '"name":', '{"name":"', '"   "', "[", "\n"):
        with pytest.raises(MalformedError):
            parse("[{" + part * 200_000)
