"""The prediction held against what TensorRT did, node by node and loadable by loadable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dlalint.finding import ERROR, Finding
from dlalint.graph import Device
from dlalint.plan import NodePlacement, Outcome
from dlalint.trtexec.claims import DLA, GPU, IDLE, MOVING, Basis, Claim, Told
from dlalint.trtexec.comparison import NOT_DLA, NOT_GPU, Comparison, Pair, Real
from dlalint.trtexec.joining import Found, Names, Paths, Role
from dlalint.trtexec.matching import filled, matched
from dlalint.trtexec.observed import BuildLog, LogError

ACCEPTED: Mapping[str, frozenset[Device]] = {
    DLA: frozenset({Device.DLA}),
    GPU: frozenset({Device.GPU}),
    NOT_DLA: frozenset({Device.GPU, Device.FOLDED}),
    NOT_GPU: frozenset({Device.DLA, Device.FOLDED}),
}
_COPIES = frozenset("Constant Dropout Expand Flatten Identity Reshape Shape Squeeze Tile Transpose Unsqueeze".split())
_RANK = {basis: number for number, basis in enumerate(Basis)}
_SHOWN = 80  # characters of a name in an error
_JOINED = 0.05  # of the names in the files; with fewer in the model, it is another network


def compare(outcome: Outcome, told: Told, names: Names, paths: Paths, build: BuildLog | None) -> Comparison:
    """``outcome`` held against the evidence ``told``. Raises :class:`LogError` (E138) when the files are of another network."""
    joined, unjoined = _joined(told.claims, names)
    _same_network(outcome, told, joined, unjoined)
    claims = _by_node(told, names)
    inside = filled(told, names, paths, claims)
    blind = tuple(name for name, claim in unjoined.items() if claim.device == GPU and claim.kind not in IDLE)
    moving = _moving(outcome)
    rules = _rules(outcome)
    reasons = _reasons(build, names)
    shared = Counter(node.name for node in outcome.nodes if node.name)
    pairs = []
    for node in outcome.nodes:
        said = claims.get(node.number, [])
        if not said and told.rest and not blind and node.device is not Device.FOLDED and node.number not in moving:
            said = [Claim("", (), told.rest, Basis.REST)]
        real = _real(said, node.number in moving, shared[node.name] > 1)
        real = real._replace(reason=_reason(real, reasons.get(node.number, ""), build))
        pairs.append(Pair(node, real, rules.get(node.number, ()), _agrees(node, real)))
    if not any(pair.real.device for pair in pairs):
        raise _nothing(told)
    predicted = _predicted(outcome)
    loadables = matched(told, names, inside, predicted, pairs)
    notes = (*told.notes, *_notes(told, blind))
    unnamed = tuple((claim.layer, number) for claim in told.claims for number in names.unnamed(claim.layer, claim.writes))
    return Comparison(
        outcome, tuple(pairs), loadables, predicted, told.loaded, told.candidates, len(joined), tuple(unjoined), unnamed, notes
    )


def _nothing(told: Told) -> LogError:
    shown = ", ".join(dict.fromkeys(claim.layer[:_SHOWN] for claim in told.claims[:3]))
    what = f"the files tell of no node of the model where it ran; they name {shown or 'no layer'}"
    return LogError(what, cure="Name the nodes of the model before it is built, and give a log with --verbose.", code="E136")


def _joined(claims: Iterable[Claim], names: Names) -> tuple[list[str], dict[str, Claim]]:
    """The names in the files that the model knows, and those that it does not with where they stand; helpers are neither."""
    roles: dict[str, tuple[Found, Claim]] = {}
    for claim in claims:
        for name in claim.nodes or claim.names:
            roles.update((piece, (found, claim)) for piece, found in names.parts(name) if piece not in roles)
    joined = [piece for piece, (found, _) in roles.items() if found.role in (Role.NODE, Role.CONSTANT)]
    return joined, {piece: claim for piece, (found, claim) in roles.items() if found.role is Role.UNKNOWN}


def _same_network(outcome: Outcome, told: Told, joined: Sequence[str], unjoined: Mapping[str, Claim]) -> None:
    if not told.claims and not told.rest and told.loaded is None:
        what = "the files say of no layer where it runs"
        raise LogError(what, cure="Give the log of a build with --useDLACore, or layer information.", code="E136")
    if len(joined) >= max(1, _JOINED * (len(joined) + len(unjoined))) or not (joined or unjoined):
        return
    looked = ", ".join(name[:_SHOWN] for name in list(unjoined)[:4])
    own = ", ".join(node.id[:_SHOWN] for node in outcome.nodes[:4])
    what = f"the files are of another network: of {len(joined) + len(unjoined)} names in them ({looked}, ...) the model has {len(joined)}"
    raise LogError(what, where=outcome.model.path, cure=f"Its nodes are {own}, ... Give the model that was built.", code="E138")


def _by_node(told: Told, names: Names) -> dict[int, list[Claim]]:
    """What is said of each node by name."""
    found: dict[int, list[Claim]] = {}
    for claim in told.claims:
        numbers = [number for name in claim.nodes or claim.names for number in names.nodes(name)]
        for number in dict.fromkeys((*numbers, *names.unnamed(claim.layer, claim.writes))):
            found.setdefault(number, []).append(claim)
    return found


def _moving(outcome: Outcome) -> frozenset[int]:
    """The nodes that only move data, so that nothing of them may be left in the engine."""
    kinds: dict[int, set[str]] = {}
    for layer in outcome.network.layers:
        for number in layer.origin:
            if not layer.spec.helper:
                kinds.setdefault(number, set()).add(layer.spec.kind)
    return frozenset(
        node.number for node in outcome.nodes if (kinds[node.number] <= MOVING if node.number in kinds else node.op_type in _COPIES)
    )


def _real(claims: Sequence[Claim], moving: bool, shared: bool) -> Real:
    """The device that ``claims`` on one node give, by the surest of them; the GPU when its layers are on both.

    Of a node that is ``shared``, one of several with its name, such claims tell nothing.
    """
    if not claims:
        return Real(why="no file names it")
    sure = [claim for claim in claims if claim.device and (moving or claim.kind not in IDLE)]
    if not sure:
        vague = next((claim for claim in claims if not claim.device), None)
        if vague is None:
            return Real(why="only a copy or reshape of it is named")
        return Real(layer=vague.layer, why="its entry may be a loadable or GPU code" if vague.basis is not Basis.LIST else _BEFORE)
    best = min(_RANK[claim.basis] for claim in sure)
    first = [claim for claim in sure if _RANK[claim.basis] == best]
    found = next((claim for claim in first if claim.device == GPU), first[0])
    if shared and len({claim.device for claim in first}) > 1:
        return Real(layer=found.layer, why="it shares its name with a node on the other device")
    device = {DLA: NOT_GPU, GPU: NOT_DLA}[found.device] if moving else found.device
    return Real(device, found.basis.value, found.layer, found.loadable if found.device == DLA else -1)


_BEFORE = "it is listed from before the limit on loadables"


def _agrees(node: NodePlacement, real: Real) -> bool | None:
    if not real.device or node.device is Device.UNKNOWN:
        return None
    return node.device in ACCEPTED[real.device]


def _rules(outcome: Outcome) -> dict[int, tuple[Finding, ...]]:
    """The findings that send each node to the GPU."""
    found: dict[int, tuple[Finding, ...]] = {}
    for finding in outcome.findings:
        if finding.severity == ERROR and finding.node_index >= 0:
            found[finding.node_index] = (*found.get(finding.node_index, ()), finding)
    return found


def _reasons(build: BuildLog | None, names: Names) -> dict[int, str]:
    """What the log gives as the reason why a node is not on the DLA."""
    found: dict[int, str] = {}
    for fallback in build.placement.fallbacks if build is not None else ():
        for number in names.nodes(fallback.layer) if fallback.layer else ():
            if fallback.reason or number not in found:
                found[number] = fallback.reason or f"refused in the {fallback.stage}, no reason given"
    for name in build.placement.splits if build is not None else ():
        for number in names.nodes(name):
            found.setdefault(number, "the DLA compiler refused it and split the subgraph there")
    return found


def _reason(real: Real, stated: str, build: BuildLog | None) -> str:
    if real.basis == Basis.LIMIT.value and build is not None and build.placement.limit is not None:
        return f"DLA supports only {build.placement.limit} subgraphs per DLA core"
    return stated


def _predicted(outcome: Outcome) -> tuple[tuple[int, ...], ...]:
    layers, partition = outcome.network.layers, outcome.partition
    return tuple(
        tuple(dict.fromkeys(node for index in partition.candidates[number] for node in layers[index].origin)) for number in partition.kept
    )


def _notes(told: Told, blind: Sequence[str]) -> Iterator[str]:
    if told.rest and blind:
        shown = ", ".join(name[:_SHOWN] for name in blind[:3])
        yield f"Layers on the GPU that are none of the model's nodes by name ({shown}): what no file names is not compared."
