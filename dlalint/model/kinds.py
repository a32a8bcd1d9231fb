"""What calls and tensors are but for their names: found out once for all that are alike, in one model and across models."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.graph import FLOATING, Op, TensorType
from dlalint.graphview import Value
from dlalint.named_tuple import NamedTuple

MAX_KINDS = 100_000  # remembered in all; then they are forgotten, so that a long run does not grow without end


class Fact:
    """What is known of a tensor but its name. Facts of the same content are one object, compared and hashed by identity.

    ``value`` holds its elements when they are known integers or booleans. ``hidden`` says that they are known floats: those differ from
    weight to weight and few operators look at them, so they are not part of the fact. ``free`` says that a free dimension decides on it.
    """

    __slots__ = ("constant", "free", "hidden", "type", "value")

    def __init__(self, kind: TensorType | None, constant: bool, value: Value | None, hidden: bool, free: bool) -> None:
        self.type = kind
        self.constant = constant
        self.value = value
        self.hidden = hidden
        self.free = free

    @property
    def dynamic(self) -> bool:
        """Whether a free dimension keeps its shape open."""
        return self.free and (self.type is None or self.type.dims is None)


class Kind:
    """What becomes of a call but for its names: the facts of its outputs, and whether it is folded away.

    ``values`` are those of the outputs when they were folded to floats, which facts hide. ``only`` is the fact of the output when there is
    just one, and no value to it. Compared and hashed by identity; never changed.
    """

    __slots__ = ("folded", "only", "outputs", "values")

    def __init__(self, outputs: tuple[Fact, ...], folded: bool, values: tuple[Value, ...] = ()) -> None:
        self.outputs = outputs
        self.folded = folded
        self.values = values
        self.only = outputs[0] if len(outputs) == 1 and not values else None


class Effort(NamedTuple):
    """What opening models took: calls in all, those worked out one by one, and of these the ones that nothing can be remembered of.

    ``irregular`` are the nodes and tensors that a file does not hold in the usual form, so that reading them took longer; ``questions``
    those put to onnx, ``unanswered`` the ones it could not answer.
    """

    calls: int = 0
    worked_out: int = 0
    alone: int = 0
    irregular: int = 0
    questions: int = 0
    unanswered: int = 0


class Setting(NamedTuple):
    """What decides on calls besides themselves: operator sets, IR version, and whether the declared types are to be believed."""

    opsets: frozenset[tuple[str, int]]
    opset: int
    ir_version: int
    overridden: bool


# an operator, the number of its outputs, what the file declares of them, the facts of its inputs, the floats that count for some operators
Key = tuple[Op | int | TensorType | Fact | bytes | None, ...]


class Kinds:
    """The facts and kinds met so far; it counts how many calls they did for, and how many not."""

    def __init__(self) -> None:
        self.counted = Effort()
        self._facts: dict[tuple[TensorType | None, bool, Value | None, bool, bool], Fact] = {}
        self._calls: dict[Setting, dict[Key, Kind]] = {}

    def fact(
        self, kind: TensorType | None, *, constant: bool = False, value: Value | None = None, hidden: bool = False, free: bool = False
    ) -> Fact:
        """The fact of this content; floats of ``value`` are hidden, as are those that ``hidden`` says are known elsewhere."""
        hidden = hidden or (value is not None and value.dtype in FLOATING)
        key = (kind, constant, None if hidden else value, hidden, free)
        found = self._facts.get(key)
        if found is None:
            found = self._facts[key] = Fact(*key)
        return found

    def calls(self, opsets: Mapping[str, int], opset: int, ir_version: int, overridden: bool) -> dict[Key, Kind]:
        """The kinds of calls in this setting, to look up and to add to."""
        setting = Setting(frozenset(opsets.items()), opset, ir_version, overridden)
        found = self._calls.get(setting)
        if found is None:
            found = self._calls[setting] = {}
        return found

    def count(self, calls: int, worked_out: int, alone: int) -> None:
        """Add the calls of a model to those counted."""
        old = self.counted
        self.counted = old._replace(calls=old.calls + calls, worked_out=old.worked_out + worked_out, alone=old.alone + alone)

    def make_room(self) -> bool:
        """Forget everything when it has become too much, and say so; to be asked between two models."""
        full = len(self._facts) + sum(map(len, self._calls.values())) > MAX_KINDS
        if full:
            self._facts.clear()
            self._calls.clear()
        return full
