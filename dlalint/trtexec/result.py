"""Everything there is to report when a prediction is held against a build."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.agreement import Agreement
from dlalint.trtexec.comparison import Comparison
from dlalint.trtexec.correction import Group
from dlalint.trtexec.node_times import Measured
from dlalint.trtexec.story import Story


class Compared(NamedTuple):
    """The comparison with its numbers. ``times`` are by node, ``loadable_ms`` by loadable name; ``chosen`` says where the target is from.

    ``limits`` is the file of rule data that states the target's release.
    """

    found: Comparison
    numbers: Agreement
    groups: tuple[Group, ...]
    times: Mapping[int, Measured]
    loadable_ms: Mapping[str, float]
    story: Story
    chosen: tuple[str, ...]
    limits: str

    @property
    def estimated(self) -> bool:
        """Whether the times are those of the builder's own measurements and not of a run."""
        return self.story.told is not None and self.story.told.estimated
