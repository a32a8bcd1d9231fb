"""One ONNX node while it is turned into layers: what the importers in this package see and call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dlalint.graph import Op, Shape, TensorType
from dlalint.lower.moves import reshape_params
from dlalint.named_tuple import NamedTuple
from dlalint.network import LayerSpec, Operand, Param
from dlalint.target import Version

# A reference to a tensor of the node: "i<k>" its k-th input, "o<k>" its k-th output, "t<k>" one made in between.
Ref = str
Lowering = Callable[["Context"], None]


class Step(NamedTuple):
    """One layer of a template: its spec and which tensors of the node it reads and makes. ``suffix`` completes the layer's name."""

    spec: LayerSpec
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    suffix: str


class Context:
    """Collects the layers of one node. ``inputs[k]`` is ``None`` for an omitted input, ``outputs[k]`` for a tensor of unknown type."""

    def __init__(self, op: Op, inputs: Sequence[Operand | None], outputs: Sequence[TensorType | None], opset: int, trt: Version) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.opset = opset
        self.trt = trt
        self.steps: list[Step] = []
        self._made: dict[Ref, TensorType | None] = {}

    def operand(self, ref: Ref) -> Operand:
        """What is known of a tensor."""
        if ref in self._made:
            return Operand(self._made[ref])
        index = int(ref[1:])
        if ref[0] == "o":
            return Operand(self.outputs[index] if index < len(self.outputs) else None)
        found = self.inputs[index] if index < len(self.inputs) else None
        return found if found is not None else Operand(None)

    def has(self, index: int) -> bool:
        """Whether the input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def constant(self, index: int) -> bool:
        """Whether the input is given and known at build time."""
        found = self.inputs[index] if index < len(self.inputs) else None
        return found is not None and found.constant

    def items(self, index: int) -> tuple[int | float | bool, ...] | None:
        """The elements of a constant input, when known."""
        found = self.inputs[index] if index < len(self.inputs) else None
        return found.items if found is not None else None

    def ints(self, index: int) -> tuple[int, ...] | None:
        """The elements of a constant integer input, when known."""
        found = self.items(index)
        return None if found is None or any(isinstance(item, float) for item in found) else tuple(map(int, found))

    def shape(self, ref: Ref) -> Shape | None:
        """The shape of a tensor; ``None`` when its rank is unknown."""
        found = self.operand(ref).type
        return found.shape if found is not None else None

    def rank(self, ref: Ref) -> int | None:
        """The rank of a tensor, when known."""
        return self.operand(ref).rank

    def layer(
        self,
        kind: str,
        inputs: Sequence[Ref],
        output: Ref | TensorType | None = "o0",
        *,
        suffix: str = "",
        helper: bool = False,
        note: str = "",
        given: Mapping[str, Param] | None = None,
        **params: Param,
    ) -> Ref:
        """Add a layer and return the tensor it makes: an output of the node when ``output`` is a reference, else a new one of that type.

        ``given`` and the keywords are its parameters.
        """
        ref = output if isinstance(output, str) else f"t{len(self._made)}"
        made = self.operand(ref).type if isinstance(output, str) else output
        if not isinstance(output, str):
            self._made[ref] = made
        spec = LayerSpec(
            kind, {**given, **params} if given else params, tuple(self.operand(name) for name in inputs), (made,), helper, note
        )
        self.steps.append(Step(spec, tuple(inputs), (ref,), suffix))
        return ref

    def reshape(self, source: Ref, shape: Shape | None, output: Ref | None = None) -> Ref:
        """A shuffle that only changes the shape, made for the layers around it."""
        made = output if output is not None else self.typed(shape, source)
        given = reshape_params(self.shape(source), shape)
        return self.layer("SHUFFLE", (source,), made, suffix="[Shuffle]", helper=True, given=given)

    def typed(self, shape: Shape | None, like: Ref = "o0") -> TensorType:
        """A type of ``shape`` with the element type of ``like``."""
        found = self.operand(like).type
        return TensorType(found.dtype if found is not None else "undefined", shape)


def simple(kind: str, note: str = "", **params: Param) -> Lowering:
    """A lowering to one layer of ``kind`` with these parameters, over all the inputs that are given."""

    def lower(node: Context) -> None:
        inputs = tuple(f"i{index}" for index in range(len(node.inputs)) if node.has(index))
        node.layer(kind, inputs, note=note, given=params)
        for index in range(1, len(node.outputs)):
            node.layer(kind, inputs, f"o{index}", suffix=f"[{index}]", note=note, given=params)

    return lower


Table = Mapping[str, Lowering]
