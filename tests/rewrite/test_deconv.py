"""Transposed convolutions without padding, groups, dilation and output_padding."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dlalint.rewrite.graph import attribute

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv
from .filled import filled

XAVIER = "xavier-trt7.1"
CODES = {"DLA222", "DLA224", "DLA225", "DLA522", "DLA101"}


@st.composite
def attributes(draw: st.DrawFn) -> tuple[list[int], int, str]:
    """Kernel, groups, and the attributes of a ConvTranspose over a map of 5 x 4 with at least one finding."""
    kernel = [draw(st.integers(1, 5)), draw(st.integers(1, 5))]
    strides = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    dilations = [draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 1, 3]))]
    groups = draw(st.sampled_from([1, 1, 2]))
    reach = [spread * (size - 1) + 1 for size, spread in zip(kernel, dilations, strict=True)]
    found = [f"strides={strides}", f"dilations={dilations}", f"group={groups}"]
    form = draw(st.sampled_from(["pads", "pads", "SAME_UPPER", "SAME_LOWER", "shape", "VALID"]))
    full = [(size - 1) * step + far for size, step, far in zip((5, 4), strides, reach, strict=True)]
    if form == "pads":
        pads = [draw(st.integers(0, min(size - 1, 3))) for size in (*reach, *reach)]
        assume(all(whole > first + last for whole, first, last in zip(full, pads[:2], pads[2:], strict=True)))
        extra = [draw(st.integers(0, step - 1)) for step in strides]
        found += [f"pads={pads}", f"output_padding={extra}"]
    elif form == "shape":
        found.append(f"output_shape={[whole - draw(st.integers(0, min(far - 1, 3))) for whole, far in zip(full, reach, strict=True)]}")
    else:
        found.append(f'auto_pad="{form}"')
    return kernel, groups, ", ".join(found)


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(drawn=attributes(), bias=st.booleans(), target=st.sampled_from([ORIN, XAVIER]))
def test_any_attributes(rewrite: Apply, drawn: tuple[list[int], int, str], bias: bool, target: str) -> None:
    kernel, groups, options = drawn
    weights = [f"float[4,{6 // groups},{kernel[0]},{kernel[1]}] v", *(["float[6] b"] if bias else [])]
    model = behind_conv((2, 4, 5, 4), (2, 6, "H", "W"), f"y = ConvTranspose<{options}>(t, v{', b' if bias else ''})", weights)
    plain = groups == 1 and "dilations=[1, 1]" in options
    subpixel = rewrite(model, "deconv-subpixel", target)
    if not errors(subpixel, before=True):
        return
    assert errors(subpixel, before=True) <= CODES
    if errors(subpixel, before=True) & {"DLA222", "DLA224", "DLA225"}:
        assert not errors(subpixel, before=False)
    if plain:
        crop = rewrite(model, "deconv-crop", ORIN)
        assert not errors(crop, before=False)
        if "Slice" in crop.operators:
            assert rewrite(model, "deconv-crop-by-conv", target).operators == ["Conv", "ConvTranspose", "Conv"]
    else:
        assert not errors(rewrite(model, "deconv-dense", ORIN), before=False)


UPSAMPLING = "float[16,8,4,4] v, float[8] b", "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(t, v, b)"


@pytest.mark.parametrize(
    ("name", "target", "operators"),
    [
        ("deconv-crop", ORIN, ["Conv", "ConvTranspose", "Slice"]),
        ("deconv-crop", "xavier-trt8.4", ["Conv", "ConvTranspose", "Slice"]),
        ("deconv-crop", XAVIER, ["Conv", "ConvTranspose"]),
        ("deconv-crop-by-conv", XAVIER, ["Conv", "ConvTranspose", "Conv"]),
        ("deconv-subpixel", XAVIER, ["Conv", "Conv", "ConvTranspose"]),
        ("", ORIN, ["Conv", "ConvTranspose", "Slice"]),
        ("", XAVIER, ["Conv", "ConvTranspose", "Conv"]),
    ],
)
def test_doubling(rewrite: Apply, name: str, target: str, operators: list[str]) -> None:
    trial = rewrite(behind_conv((1, 16, 8, 8), (1, 8, 16, 16), UPSAMPLING[1], UPSAMPLING[0].split(", ")), name, target)
    assert trial.operators == operators
    assert errors(trial, before=True) == {"DLA222"}
    assert trial.found.after.summary.gpu_nodes == (operators == ["Conv", "ConvTranspose"])


def test_bilinear_upsampling_by_32(rewrite: Apply) -> None:
    body = "y = ConvTranspose<strides=[32,32], pads=[16,16,16,16], group=2>(t, v)"
    trial = rewrite(behind_conv((1, 2, 2, 2), (1, 2, 64, 64), body, ["float[2,1,64,64] v"]), "deconv-subpixel")
    assert trial.operators == ["Conv", "Conv", "ConvTranspose", "ConvTranspose"]
    assert errors(trial, before=True) == {"DLA221", "DLA222", "DLA224"}
    assert errors(trial, before=False) == set()
    assert [attribute(node, "strides") for node in trial.model.graph.node[2:]] == [(8, 8), (4, 4)]


def test_half_precision(rewrite: Apply) -> None:
    body = "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], group=2>(t, v)"
    trial = rewrite(behind_conv((1, 4, 4, 4), (1, 6, "H", "W"), body, ["float16[4,3,3,3] v"], dtype="float16"), "deconv-dense", limit=2e-3)
    assert trial.operators == ["Conv", "ConvTranspose", "Slice"]


COMPUTED = "g (float[1,4,5,5] x, float[4,4,3,3] v) => (float[1,4,9,9] y) { y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, v) }"
GROUPED = (
    "g (float[1,4,5,5] x) => (float[1,4,9,9] y) <float[4,1,3,3] v> { y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], group=4>(x, v) }"
)
FREE = "g (float[N,4,5,5] x) => (float[N,4,9,9] y) <float[4,4,3,3] v> { y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, v) }"
PLAIN = "g (float[1,4,5,5] x) => (float[1,4,9,9] y) <float[4,4,3,3] v> { y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x, v) }"
LARGE = "g (float[1,4,2,2] x) => (float[1,4,N,M] y) <float[4,4,33,33] v> { y = ConvTranspose(x, v) }"


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("deconv-crop", COMPUTED, "does not apply: its weights are computed"),
        ("deconv-crop", FREE, "does not apply: its input has not four static dimensions"),
        ("deconv-crop", GROUPED, "does not apply: it has groups or dilation, which deconv-dense writes out"),
        ("deconv-crop-by-conv", GROUPED, "does not apply: it has groups or dilation, which deconv-subpixel writes out"),
        ("deconv-dense", PLAIN, "does not apply: it has neither groups nor dilation"),
        ("deconv-subpixel", COMPUTED, "does not apply: its weights are computed"),
    ],
)
def test_misses(rewrite: Apply, name: str, body: str, reason: str) -> None:
    trial = rewrite(filled(body), name)
    assert trial.reasons == [reason]
    assert not trial.found.changes
