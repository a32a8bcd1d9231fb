"""What `fix` makes of exported networks: the table in networks.tsv, and what it has to show."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from . import networks

GOLDEN = Path(__file__).with_name("networks.tsv")
ROWS = list(csv.DictReader(GOLDEN.read_text(encoding="utf-8").splitlines(), delimiter="\t"))


QUICK = ("espcn", "mobilenet_v3_small", "se_resnet", "shufflenet_v2_x0_5", "squeezenet1_1")


def _shown(rows: Iterable[tuple[str, ...]]) -> list[dict[str, str]]:
    return [dict(zip(networks.COLUMNS, row, strict=True)) for row in rows]


@pytest.mark.slow
def test_the_table_is_what_fix_does() -> None:
    """``python -m tests.rewrite.networks > tests/rewrite/networks.tsv`` renews it, with all proofs."""
    assert _shown(networks.rows(prove=False)) == [{**row, "proof": ""} for row in ROWS]


@pytest.mark.slow
def test_the_proofs_are_what_fix_finds() -> None:
    assert _shown(networks.rows(QUICK)) == [row for row in ROWS if row["network"] in QUICK]


def test_every_result_is_proven() -> None:
    assert {row["proof"] for row in ROWS} <= {"ok", "-"}
    assert all(row["proof"] == "ok" for row in ROWS if row["rewrites"] != "-")


@pytest.mark.parametrize("target", networks.TARGETS)
def test_convolutional_networks_end_in_one_loadable(target: str) -> None:
    """With at most the last reshape of the network on the GPU, which computes nothing."""
    last = {"shuffle-rank", "layer-not-on-dla", "-"}
    done = [row["network"] for row in ROWS if row["target"] == target and row["loadables_after"] == "1" and int(row["gpu_after"]) <= 1]
    assert len(done) >= 11
    assert all(row["remaining"] in last for row in ROWS if row["network"] in done and row["target"] == target)
