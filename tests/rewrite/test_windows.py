"""Windows and transposed convolutions as numbers."""

from __future__ import annotations

import pytest

from dlalint.pipeline import Session
from dlalint.rewrite.base import Miss
from dlalint.rewrite.deconvolution import deconvolution
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights
from dlalint.rewrite.windows import Window, window

from .filled import filled


def _graph(session: Session, body: str, dims: str = "1,2,9,10", made: str = "A,B,H,W") -> Graph:
    model = filled(f"g (float[{dims}] x) => (float[{made}] y) <float[2,2,3,3] v> {{ y = {body} }}")
    return Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Conv<pads=[1,2,3,4]>(x, v)", ((11, 14), (3, 3), (1, 1), (1, 2), (3, 4), (0, 0))),
        ('Conv<strides=[2,2], auto_pad="SAME_UPPER">(x, v)', ((5, 5), (3, 3), (2, 2), (1, 0), (1, 1), (0, 0))),
        ('Conv<strides=[2,2], auto_pad="SAME_LOWER">(x, v)', ((5, 5), (3, 3), (2, 2), (1, 1), (1, 0), (0, 0))),
        ('Conv<strides=[2,2], auto_pad="VALID">(x, v)', ((4, 4), (3, 3), (2, 2), (0, 0), (0, 0), (0, 0))),
        ("MaxPool<kernel_shape=[2,3], strides=[2,2], ceil_mode=1>(x)", ((5, 5), (2, 3), (2, 2), (0, 0), (0, 0), (1, 1))),
        ("AveragePool<kernel_shape=[2,3], strides=[2,3]>(x)", ((4, 3), (2, 3), (2, 3), (0, 0), (0, 0), (0, 0))),
    ],
)
def test_windows(session: Session, body: str, expected: tuple[tuple[int, int], ...]) -> None:
    found = window(_graph(session, body), 0)
    assert isinstance(found, Window)
    assert (found.made, found.kernel, found.strides, found.begin, found.end, found.beyond) == expected
    assert found.pads == (*expected[3], *(last + more for last, more in zip(*expected[4:], strict=True)))


def test_dilation_widens_the_reach(session: Session) -> None:
    found = window(_graph(session, "Conv<dilations=[2,3]>(x, v)"), 0)
    assert isinstance(found, Window)
    assert found.reach == (5, 7)


@pytest.mark.parametrize(
    ("body", "dims", "made", "reason"),
    [
        ("Conv(x, v)", "N,2,9,10", "N,2,7,8", "its input has not four static dimensions"),
        ("Conv(x, v)", "0,2,9,10", "0,2,7,8", "its window is not known"),
        ("Conv<pads=[-1,0,0,0]>(x, v)", "1,2,9,10", "1,2,6,8", "its padding is negative"),
    ],
)
def test_windows_that_are_not_known(session: Session, body: str, dims: str, made: str, reason: str) -> None:
    assert window(_graph(session, body, dims, made), 0) == Miss(reason)


@pytest.mark.parametrize(
    ("attributes", "cut", "behind"),
    [
        ("strides=[2,2]", (0, 0), (0, 0)),
        ("strides=[2,2], pads=[1,0,0,2]", (1, 0), (0, 2)),
        ("strides=[2,2], pads=[1,0,0,2], output_padding=[1,1]", (1, 0), (-1, 1)),
        ('strides=[2,2], auto_pad="SAME_UPPER"', (0, 0), (1, 1)),
        ('strides=[2,2], auto_pad="SAME_LOWER"', (1, 1), (0, 0)),
        ("strides=[1,1], output_shape=[9,10]", (1, 1), (1, 1)),
        ("strides=[1,1], output_shape=[10,11]", (1, 1), (0, 0)),
    ],
)
def test_what_transposed_convolutions_leave_out(session: Session, attributes: str, cut: tuple[int, int], behind: tuple[int, int]) -> None:
    found = deconvolution(_graph(session, f"ConvTranspose<{attributes}>(x, v)"), 0)
    assert not isinstance(found, Miss)
    assert (found.cut, found.behind) == (cut, behind)


def test_a_transposed_convolution_with_negative_padding(session: Session) -> None:
    assert deconvolution(_graph(session, "ConvTranspose<pads=[-1,0,0,0]>(x, v)", made="1,2,12,12"), 0) == Miss("its padding is negative")
