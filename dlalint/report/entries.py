"""What machine-readable reports list: one entry a finding, with what stays the same from run to run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence

from dlalint.accepted import Waived
from dlalint.finding import Finding
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Failure, Outcome
from dlalint.report.escape import for_terminal, shortened_name


class Entry(NamedTuple):
    """One finding. ``path`` is the model's, relative to the working folder where that is above it. ``print`` tells it from all others.

    ``waived`` says that the configuration accepts it. ``state`` is ``new`` or ``unchanged`` where there is a baseline, else empty.
    """

    path: str
    target: str
    finding: Finding
    print: str
    waived: Waived | None = None
    state: str = ""

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
            yield from _entries(result, result.findings)


def accounted(results: Sequence[Outcome | Failure]) -> Iterator[Entry]:
    """The findings of all models in order, among them those that do not count because they are waived or known to a baseline."""
    for result in results:
        if isinstance(result, Outcome):
            waived = {id(item.finding): item for item in result.waived}
            contrast = result.baseline
            known = contrast.unchanged if contrast is not None else ()
            for entry in _entries(result, sorted((*known, *result.findings, *(item.finding for item in result.waived)), key=_place)):
                state = "" if contrast is None else "unchanged" if entry.print in contrast.prints else "new"
                yield entry._replace(waived=waived.get(id(entry.finding)), state=state)


def _place(finding: Finding) -> tuple[int, str]:
    return finding.node_index, finding.code


def _entries(outcome: Outcome, findings: Iterable[Finding]) -> Iterator[Entry]:
    path, target = relative(outcome.model.path), outcome.target.name
    seen: dict[str, int] = {}
    for finding in findings:
        text = "\0".join((finding.code, path, target, finding.node, finding.layer, finding.tensor))
        seen[text] = seen.get(text, 0) + 1
        digest = hashlib.sha256(f"{text}\0{seen[text]}".encode("utf-8", "surrogateescape")).hexdigest()
        yield Entry(path, target, finding, digest[:40])


def failures(results: Sequence[Outcome | Failure]) -> list[Failure]:
    """The models that could not be checked."""
    return [result for result in results if isinstance(result, Failure)]


def relative(path: str) -> str:
    """``path`` as seen from the working folder, unless it lies elsewhere."""
    if not os.path.isabs(path):
        return os.path.normpath(path)
    found = os.path.relpath(path)
    return path if found.startswith("..") else found
