"""What became of a model with Q/DQ nodes: the scale of each tensor and where it is from, what runs in FP16, and the proof."""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple

PAIR, CARRIED = "pair", "carried"
NO_SCALE = "has no scale"  # how a reason for FP16 ends


class TensorScale(NamedTuple):
    """``origin`` is ``pair`` (a Q/DQ pair was on the tensor) or ``carried``: from the tensor ``source`` through the node ``node``."""

    tensor: str
    scale: float
    origin: str
    source: str = ""
    node: str = ""
    op_type: str = ""


class Remark(NamedTuple):
    """Something to know about a tensor or node. ``cost`` is in the unit of its kind:

    * ``asymmetric``, ``per-channel``, ``merged``: how much wider a step became (0.5 is 50 %), for ``per-channel`` at the finest channel;
    * ``weights``: the largest change, in steps of the model's grid, when TensorRT quantizes the weights by its own rule;
    * ``concat``: the largest scale of an input over the smallest;
    * ``input``, ``relu``, ``unused``, ``batch-norm``, ``float-input``, ``float-output``: 0.
    """

    kind: str
    name: str
    text: str
    cost: float = 0.0


class Half(NamedTuple):
    """A node that has to run in FP16: ``layer`` is the name of its layer for trtexec, empty when it has none; ``reason`` in words."""

    node: str
    op_type: str
    layer: str
    reason: str


class Steps(NamedTuple):
    """How far the model without Q/DQ nodes is from the one with them at one tensor, in quantization steps of the latter.

    ``beyond`` is the part of the elements that the pair had cut off at the ends of its range; INT8 does so too, and they are compared so.
    ``int8_median`` and ``int8_most`` are for the result with all activations rounded to the scales of the cache, as the DLA has them;
    ``None`` where these are the pairs themselves.
    """

    tensor: str
    median: float
    most: float
    largest: float
    beyond: float
    int8_median: float | None = None
    int8_most: float | None = None


class Proof(NamedTuple):
    """``sets`` are the inputs. ``restored`` is the largest difference, relative to the largest value of a tensor, between the model and the
    result with its pairs put back, ``cached`` of ``pairs`` at scales of the cache; ``exact`` says that all ``tensors`` are bit-equal.
    ``first`` is the tensor at fault, if it is one, and ``fault`` says what is wrong; both are empty when ``ok``. ``folded`` is how far
    outputs moved when normalizations were folded, relative too, ``None`` when none was. ``steps`` is about the result itself, worst first.
    """

    sets: tuple[str, ...]
    tensors: int
    pairs: int
    cached: int
    exact: bool
    restored: float
    first: str
    fault: str
    folded: float | None
    steps: tuple[Steps, ...]
    ok: bool


class Placed(NamedTuple):
    """The predicted placement: nodes that remain at run time, those on the DLA, and the loadables that they make."""

    nodes: int
    dla_nodes: int
    loadables: int


class Translated(NamedTuple):
    """A translated model. ``pairs`` and ``constants`` were removed; of the nodes that remain, those of ``halves`` have to run in FP16."""

    model: str
    target: str
    pairs: int
    constants: int
    scales: tuple[TensorScale, ...]
    remarks: tuple[Remark, ...]
    halves: tuple[Half, ...]
    before: Placed
    after: Placed

    @property
    def int8_nodes(self) -> int:
        """The nodes that have all the scales INT8 takes."""
        return self.after.nodes - len(self.halves)
