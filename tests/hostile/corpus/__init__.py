"""Malformed and hostile models, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.hostile.corpus import attributes, bombs, broken, external, fields, names, quantized, single_nodes, tensors
from tests.hostile.corpus.case import Case

__all__ = ["Case", "corpus"]


def corpus(seed: int) -> Iterator[Case]:
    """About eight hundred files."""
    for family in (broken, fields, tensors, attributes, bombs, names, external, quantized, single_nodes):
        kind = family.__name__.rsplit(".", 1)[1]
        for number, case in enumerate(family.cases(random.Random(f"{kind} {seed}"))):
            yield case._replace(name=f"{kind}-{number:03d}-{case.name}")
