"""A model on a target: lowered, judged, grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlalint.engine.check import Checker, Verdict
from dlalint.engine.diagnose import behind_gpu, beside
from dlalint.engine.memory import Load
from dlalint.engine.ruleset import TargetRules
from dlalint.named_tuple import NamedTuple
from dlalint.network import Network
from dlalint.partition import Grouping, Mechanism, devices, group
from dlalint.plan import Partition
from dlalint.segments import partition

LATE = "validation"


class Placement(NamedTuple):
    """A network placed on a target, with the verdicts that led there.

    ``doubtful`` are the layers whose verdict is not clean. ``behind`` maps each sum or product with a constant that stays on the GPU to
    the layer that it follows there.
    """

    rules: TargetRules
    network: Network
    loads: tuple[Load, ...]
    verdicts: tuple[Verdict, ...]
    doubtful: Sequence[int]
    partition: Partition
    behind: Mapping[int, int]


def place(network: Network, rules: TargetRules, checker: Checker, barred: frozenset[int] = frozenset()) -> Placement:
    """Judge the layers of a simplified ``network`` and group those that the DLA takes.

    ``barred`` are the indices of layers that the user sends to the GPU although the DLA would take them.
    """
    loads = checker.loads(network)
    if rules.reason_without_dla:
        none = Grouping((), (), {})
        verdicts = (Verdict((), ()),) * len(network.layers)
        return Placement(rules, network, loads, verdicts, (), partition(network, none, devices(network, none, frozenset())), {})
    verdicts = checker.judge(network, rules)
    doubtful = [index for index, verdict in enumerate(verdicts) if verdict.violations or verdict.unknown]
    refused = {index for index in doubtful if verdicts[index].refused("layer")}
    late = frozenset(index for index in doubtful if verdicts[index].refused(LATE))
    unsure = {index for index in doubtful if verdicts[index].unknown}
    capable = [True] * len(verdicts)
    for index in (*refused, *unsure, *barred):
        capable[index] = False
    behind = behind_gpu(network, capable) if rules.placement["constants_follow_gpu"] else {}
    for index in behind:
        capable[index] = False

    def refuse(groups: Sequence[Sequence[int]]) -> dict[int, str]:
        found = {index: LATE for members in groups for index in members if index in late} if late else {}
        if "reshape.beside" in rules.limits:
            found.update(beside(network, groups))
        return found

    grouping = group(network, capable, [load.batch for load in loads], _mechanism(rules), refuse)
    unknown = frozenset(unsure - refused - late)
    return Placement(rules, network, loads, verdicts, doubtful, partition(network, grouping, devices(network, grouping, unknown)), behind)


def _mechanism(rules: TargetRules) -> Mechanism:
    found = rules.placement
    limit = rules.limits.get("loadables.max")
    return Mechanism(
        found["walk"],
        found["sink"],
        found["batch_cut"],
        rules.target.precision in found["source_cut"],
        frozenset(found["entry_gpu"]),
        limit.value if limit is not None and isinstance(limit.value, int) else None,
    )
