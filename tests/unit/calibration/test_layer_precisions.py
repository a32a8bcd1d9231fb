"""Lists of layer precisions, as trtexec takes them."""

from __future__ import annotations

import pytest

from dlalint.calibration.layer_precisions import parse, to_text
from dlalint.errors import UsageError


def test_lists() -> None:
    found = parse('"/head/Concat_2":fp16,/a:b:int8,*:fp32\n')
    assert found == {"/head/Concat_2": "fp16", "/a:b": "int8", "*": "fp32"}
    assert parse(to_text(found)) == found


@pytest.mark.parametrize("text", ["", "a", "a:", ":fp16", "a:fp8", "a:fp16,"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert (raised.value.code, raised.value.where) == ("E549", "--layer-precisions")


@pytest.mark.parametrize("name", ["", "a,b"])
def test_names_that_trtexec_would_cut(name: str) -> None:
    with pytest.raises(UsageError):
        to_text({name: "fp16"})
