"""Formats and names in all notations of TensorRT."""

from __future__ import annotations

import pytest

from dlalint.trtexec.formats import described, sized, strided, uses
from dlalint.trtexec.names import braces, foreign, is_copy, nodes, pieces, reformat, split, spoken


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Row major linear FP32", "FP32 linear"),
        ("Row major linear FP16 format", "FP16 linear"),
        ("Row major Int8 format", "INT8 linear"),
        ("Thirty-two wide channel vectorized row major Int8 format", "INT8 CHW32"),
        ("Sixteen wide channel vectorized row major FP16 format", "FP16 CHW16"),
        ("Channel major FP16 format where channel % 8 == 0", "FP16 HWC8"),
        ("Channel major FP16 format where C % 8 == 0 and H Stride % 32 == 0", "FP16 HWC8"),
        ("Channel major FP32 format", "FP32 HWC"),
        ("Channel major INT8 format where channel == 4 and column stride % 32 == 0", "INT8 DLA_HWC4"),
        ("Row major INT8 format where column stride % 64 == 0", "INT8 DLA_LINEAR"),
        ("Row major linear BFloat16 format", "BF16 linear"),
        ("Half", "FP16"),
        ("something else", ""),
        ("", ""),
    ],
)
def test_descriptions(text: str, form: str) -> None:
    assert str(described(text)) == form


@pytest.mark.parametrize(
    ("text", "dims", "form"),
    [
        ("Float(150528,50176,224,1)", None, "FP32 linear"),
        ("Half(50176,1:4,224,1)", None, "FP16 HWC4"),
        ("Half(50176,50176:16,224,1)", None, "FP16 CHW16"),
        ("Int8(3136,49:32,7,1)", None, "INT8 CHW32"),
        ("Half(63,1:16,1,1)", None, "FP16 CHW16"),
        ("Half(12544,1:8,1792,256)", None, "FP16 HWC8"),
        ("Float(217600,1,8704,256)", None, "FP32 HWC"),
        ("Half(2611200,870400,1088,1)", (1, 3, 800, 1066), "FP16 DLA_LINEAR"),
        ("Half(857600,1:4,1072,1)", (1, 3, 800, 1066), "FP16 DLA_HWC4"),
        ("Half(852800,852800:16,1066,1)", (1, 3, 800, 1066), "FP16 CHW16"),
        ("Float(1,224,50176,150528)", None, "FP32 linear"),  # 7.x, innermost first
        ("Float(3,672,1,150528)", None, "FP32 HWC"),
        ("Half(1,7,49:16,6272)", None, "FP16 CHW16"),
        ("Float()", None, "FP32 linear"),
        ("Half(x)", None, "FP16"),
        ("nonsense", None, ""),
    ],
)
def test_strides(text: str, dims: tuple[int, ...] | None, form: str) -> None:
    assert str(strided(text, dims)) == form


@pytest.mark.parametrize(
    ("text", "form", "dims"),
    [
        ("Int8[1,3:4,224,224]", "INT8 HWC4", (1, 3, 224, 224)),
        ("Int8[1,64:4,8,8]", "INT8 CHW4", (1, 64, 8, 8)),
        ("Half[1,3:16,800,1066]", "FP16 CHW16", (1, 3, 800, 1066)),
        ("Half([1,64,112,112])", "FP16 linear", (1, 64, 112, 112)),
        ("Float(-2,3,300,300)", "FP32 linear", (-2, 3, 300, 300)),
        ("Half[]", "FP16 linear", ()),
        ("Half[1,x]", "FP16", None),
    ],
)
def test_sizes(text: str, form: str, dims: tuple[int, ...] | None) -> None:
    found = sized(text)
    assert (str(found[0]), found[1]) == (form, dims)


def test_uses_with_brackets_in_their_names() -> None:
    found = uses("a (Half[1,3:16,8,8]), (Unnamed Layer* 5) [Slice]_output (Float[1,2])")
    assert [use.name for use in found] == ["a", "(Unnamed Layer* 5) [Slice]_output"]
    assert uses("") == ()
    assert uses("rubbish, more rubbish") == ()


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("conv1 + relu1", ("conv1", "relu1")),
        ("a || b + c", ("a", "b", "c")),
        ("PWN(PWN(Sigmoid_1), Mul_2)", ("Sigmoid_1", "Mul_2")),
        ("PWN(a, PWN(b_clone_1 + (Unnamed Layer* 481) [Shuffle], c))", ("a", "b_clone_1", "c")),
        ("{ForeignNode[a + (Unnamed Layer* 1) [ElementWise]...b]}", ("a", "b")),
        ("{a,b,c}", ("a", "b", "c")),
        ("resnetv15_dense0_fwd + (Unnamed Layer* 78) [ElementWise]", ("resnetv15_dense0_fwd",)),
        ("reshape_after_/fc/Gemm", ()),
        ("Reformatting CopyNode for Input Tensor 0 to a", ()),
        ("a input reformatter 3", ()),
    ],
)
def test_nodes_of_a_name(name: str, held: tuple[str, ...]) -> None:
    assert nodes(name) == held


def test_ranges_and_groups() -> None:
    assert foreign("{ForeignNode[a...b]}") == ("a", "b")
    assert foreign("{ForeignNode[a]}") == ("a", "a")
    assert foreign("{ForeignNode[a + ...") == ("a + ", "a + ")
    assert foreign("{ForeignNode[a...b]} output reformatter 0") is None
    assert foreign("conv") is None
    assert braces("{a,(Unnamed Layer*  7) [Slice],b}") == (("a", "(Unnamed Layer* 7) [Slice]", "b"), False)
    assert braces("{a,...,b}") == (("a", "b"), True)
    assert braces("{a,b") == (("a", "b"), True)
    assert braces("{a,b} output reformatter 1") is None
    assert braces("{ForeignNode[a]}") is None


def test_reformats_by_name() -> None:
    assert reformat("Reformatting CopyNode for Output Tensor 12 to a + b") == ("output", 12, "a + b")
    assert reformat("{a,b} output reformatter 1") == ("output", 1, "{a,b}")
    assert reformat("prob input reformatter 0") == ("input", 0, "prob")
    assert reformat("reformatter") is None
    assert is_copy("/model.23/Reshape_copy_output")
    assert is_copy("t copy")
    assert not is_copy("copy")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{a,b}, {c}, d", ["{a,b}", " {c}", " d"]),
        ("a, b (x, y), c", ["a", " b (x, y)", " c"]),
        ("a), b", ["a)", " b"]),
        ("{a,b}, {c,d", ["{a,b}", " {c,d"]),
        ("a (, b", ["a (", " b"]),
        ("", [""]),
    ],
)
def test_split_outside_brackets(text: str, parts: list[str]) -> None:
    assert split(text, ",") == parts


def test_names_to_be_read() -> None:
    assert spoken("{ForeignNode[Gemm_1 + (Unnamed Layer* 129) [ElementWise]...Gemm_4]}") == "Gemm_1 ... Gemm_4"
    assert spoken("{a,b,c}") == "a ... c"
    assert spoken("conv1 + relu1") == "conv1 + relu1"
    assert (
        spoken("/a/long/name/of/a/convolution/Conv + /a/long/name/of/an/activation/Relu")
        == "/a/long/name/of/a/convolution/Conv (and 1 fused)"
    )
    assert spoken("reshape_before_Gemm_1") == "reshape_before_Gemm_1"
    assert pieces("PWN(" * 2000 + "a" + ")" * 2000) == ("a",)
