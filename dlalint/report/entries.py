"""What machine-readable reports list: one entry a finding, with what stays the same from run to run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dlalint.finding import Finding
from dlalint.plan import Failure, Outcome
from dlalint.report.escape import for_terminal, shortened_name


class Entry(NamedTuple):
    """One finding. ``path`` is the model's, relative to the working folder where that is above it. ``print`` tells it from all others."""

    path: str
    target: str
    finding: Finding
    print: str

    @property
    def node(self) -> str:
        """The node's id, or the tensor's name, cut to a bounded length and safe to show; empty for a finding about the model."""
        return for_terminal(shortened_name(self.finding.node or self.finding.tensor))

    @property
    def sentence(self) -> str:
        """What is wrong where, in one bounded sentence."""
        said = for_terminal(shortened_name(self.finding.message, 600))
        return said if not self.node or said.startswith(f"{self.node} ") else f"{self.node}: {said}"


def entries(results: Sequence[Outcome | Failure]) -> Iterator[Entry]:
    """The findings of all models in order."""
    for result in results:
        if isinstance(result, Outcome):
            path = relative(result.model.path)
            seen: dict[str, int] = {}
            for finding in result.findings:
                text = "\0".join((finding.code, path, result.target.name, finding.node, finding.layer, finding.tensor))
                seen[text] = seen.get(text, 0) + 1
                digest = hashlib.sha256(f"{text}\0{seen[text]}".encode("utf-8", "surrogateescape")).hexdigest()
                yield Entry(path, result.target.name, finding, digest[:40])


def failures(results: Sequence[Outcome | Failure]) -> list[Failure]:
    """The models that could not be checked."""
    return [result for result in results if isinstance(result, Failure)]


def relative(path: str) -> str:
    """``path`` as seen from the working folder, unless it lies elsewhere."""
    if not os.path.isabs(path):
        return os.path.normpath(path)
    found = os.path.relpath(path)
    return path if found.startswith("..") else found
