"""Where the time of a run went, from the rows of a profile and all that the other files of the engine say."""

from __future__ import annotations

from statistics import median

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.engine import Engine, network_name
from dlalint.trtexec.names import braces, foreign, nodes
from dlalint.trtexec.observed import Format, Profile
from dlalint.trtexec.rows import Kind, Row, classified, deferred, known, waits


class Whole(NamedTuple):
    """The time of one run in milliseconds; ``stated`` when the file prints it. ``covered`` is the part that its rows make up, 0 to 1."""

    ms: float
    runs: float | None
    stated: bool
    covered: float


class Share(NamedTuple):
    """One kind of work: milliseconds a run, percent of the run, and rows."""

    kind: str
    ms: float
    percent: float
    rows: int


class Loadable(NamedTuple):
    """A loadable and its time in milliseconds: ``own_ms`` on its row, ``waited_ms`` on the row ``wait`` that waits for it, if any.

    ``nodes`` are all its nodes when ``complete``, else those that the file names. ``sure`` is ``False`` when it may be GPU code.
    """

    number: int
    row: int
    name: str
    nodes: tuple[str, ...]
    complete: bool
    own_ms: float
    waited_ms: float
    wait: int
    sure: bool
    precision: str = ""
    reads: tuple[Format, ...] = ()
    writes: tuple[Format, ...] = ()

    @property
    def ms(self) -> float:
        """All of its time."""
        return self.own_ms + self.waited_ms


class Account(NamedTuple):
    """Where the time went. ``deferred`` when the release books the DLA's time on waiting rows; ``estimated`` when no run was timed."""

    profile: Profile
    network: str
    whole: Whole
    deferred: bool
    estimated: bool
    rows: tuple[Row, ...]
    shares: tuple[Share, ...]
    loadables: tuple[Loadable, ...]

    @property
    def waiting(self) -> frozenset[int]:
        """The rows whose time is the DLA's."""
        return frozenset(loadable.wait for loadable in self.loadables if loadable.wait >= 0)


def account(engine: Engine, profile: Profile) -> Account:
    """The account of ``profile``, a profile of ``engine`` or an estimate from its build."""
    facts = known(engine, profile)
    whole = measured(profile)
    rows = classified(profile, facts, whole.runs, complete=whole.covered > 0.99)
    late = deferred(profile)
    carriers = waits(rows) if late else {}
    loadables = _loadables(engine, rows, carriers)
    names = [name for row in rows for name in nodes(row.row.name)]
    network = network_name(names, engine.build)
    shares = _shares(rows, frozenset(carriers.values()), whole)
    return Account(profile, network, whole, late, profile.form == "autotuning", rows, shares, loadables)


def measured(profile: Profile) -> Whole:
    """The whole time of a run: printed, else implied by the rows' percentages, else their sum."""
    rows = profile.rows
    most = max((row.average_ms for row in rows), default=0.0)
    largest = [row for row in rows if row.average_ms > 0 and row.average_ms >= most / 10]
    runs = float(profile.iterations) if profile.iterations else None
    if runs is None and largest and profile.form != "autotuning":
        runs = float(round(median(row.total_ms / row.average_ms for row in largest))) or None
    listed = sum(row.total_ms / runs if runs else row.average_ms for row in rows)
    stated = profile.total
    if stated is not None:
        ms = stated.total_ms / runs if runs else stated.average_ms
    else:
        ms = max(_implied(profile) / runs, listed) if runs else listed
        ms = listed if abs(ms - listed) < 0.002 * ms else ms
    return Whole(ms, runs, stated is not None, min(listed / ms, 1.0) if ms else 1.0)


def _implied(profile: Profile) -> float:
    """The total over all runs that the rows' percentages demand, rounded to a tenth as they are; 0 when there are none."""
    shares = [(row.total_ms, row.percent) for row in profile.rows if row.percent and row.percent >= 1]
    if not shares:
        return 0.0
    low = max(total / (percent + 0.05) * 100 for total, percent in shares)
    high = min(total / (percent - 0.05) * 100 for total, percent in shares)
    return (low + high) / 2 if low <= high else median(total / percent * 100 for total, percent in shares)


def _loadables(engine: Engine, rows: tuple[Row, ...], carriers: dict[int, int]) -> tuple[Loadable, ...]:
    members = engine.build.placement.members if engine.build is not None else {}
    layers = {layer.name: layer for layer in engine.layers.layers} if engine.layers is not None else {}
    found: list[Loadable] = []
    for row in rows:
        if row.kind is not Kind.DLA:
            continue
        name = row.row.name
        inside = members.get(name)
        listed = braces(name)
        ends = foreign(name)
        if inside:
            held, complete = tuple(dict.fromkeys(node for layer in inside for node in layer.nodes)), True
        elif listed is not None:
            held, complete = listed[0], not listed[1]
        else:
            held, complete = nodes(name), ends is not None and ends[0] == ends[1]
        layer = layers.get(name)
        wait = carriers.get(row.number, -1)
        waited = rows[wait].ms if wait >= 0 else 0.0
        reads = tuple(use.format for use in layer.inputs) if layer else ()
        writes = tuple(use.format for use in layer.outputs) if layer else ()
        precision = inside[0].precision if inside else layer.precision if layer else ""
        found.append(Loadable(len(found) + 1, row.number, name, held, complete, row.ms, waited, wait, row.sure, precision, reads, writes))
    return tuple(found)


def _shares(rows: tuple[Row, ...], waiting: frozenset[int], whole: Whole) -> tuple[Share, ...]:
    """The time by kind, waiting rows with the DLA; what the file leaves out as a share of its own."""
    sums = {kind: [0.0, 0] for kind in Kind}
    for row in rows:
        found = sums[Kind.DLA if row.number in waiting else row.kind]
        found[0] += row.ms
        found[1] += 1
    made = [Share(kind.value, ms, _percent(ms, whole), int(count)) for kind, (ms, count) in sums.items() if count]
    missing = whole.ms * (1 - whole.covered)
    if missing > 0.002 * whole.ms:
        made.append(Share("missing", missing, _percent(missing, whole), 0))
    return tuple(made)


def _percent(ms: float, whole: Whole) -> float:
    return ms / whole.ms * 100 if whole.ms else 0.0
