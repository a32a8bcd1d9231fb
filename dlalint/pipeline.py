"""From a file to an outcome: the only place that composes the stages."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from types import TracebackType

from dlalint.assemble import assemble, line
from dlalint.engine.check import Checker
from dlalint.engine.ruleset import RuleSet, TargetRules
from dlalint.errors import ModelError
from dlalint.graph import Model
from dlalint.graphview import GraphView
from dlalint.lower import Lowerer
from dlalint.lower.simplify import Fusions, simplify
from dlalint.measured import NOTHING, Measured
from dlalint.model.inputs import Overrides
from dlalint.model.kinds import Effort
from dlalint.model.load import load, parse
from dlalint.model.nodes import Known
from dlalint.model.shapes import ShapeOracle
from dlalint.model.view import build
from dlalint.placement import Placement, place
from dlalint.plan import Outcome
from dlalint.target import Target
from dlalint.worker import Worker


class Session:
    """Checks models; shape inference, rules and everything that was found out once is shared. Use as a context manager."""

    def __init__(self, rules: RuleSet | None = None, *, digest: bool = False, worker: Worker | None = None) -> None:
        """``digest`` asks for the SHA-256 of the models; ``worker`` is one that was started already."""
        self._digest = digest
        self._worker = (worker or Worker()).start()  # it loads while the rules and the model are read
        try:
            self.rules = rules or RuleSet.load()
        except BaseException:
            self._worker.close()
            raise
        self._oracle = ShapeOracle(self._worker)
        self._known = Known()
        self._lowerer = Lowerer(self.rules.since)
        self._fusions: Fusions = {}
        self._checker = Checker()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._worker.close()

    def view(self, path: str | PathLike[str], overrides: Overrides | None = None) -> GraphView:
        """Read and open a model. Raises :class:`DlalintError`."""
        self._make_room()
        return self._view(load(fspath(path), digest=self._digest, known=self._known), overrides)

    def view_bytes(self, data: bytes, path: str, overrides: Overrides | None = None) -> GraphView:
        """Open a model that is in memory; ``path`` is where its side files lie and what errors name. Raises :class:`DlalintError`."""
        self._make_room()
        return self._view(parse(data, path, self._known), overrides)

    def _make_room(self) -> None:
        """Forget what was found out when it has become too much, so that a run over very many models does not grow without end."""
        if self._oracle.make_room():
            self._known.forget()
            self._fusions.clear()
            self._lowerer = Lowerer(self.rules.since)
            self._checker = Checker()

    @property
    def effort(self) -> Effort:
        """What opening the models took so far: how much was known from calls that are alike, and what fell back to a longer way."""
        oracle = self._oracle
        return oracle.kinds.counted._replace(irregular=self._known.irregular, questions=oracle.questions, unanswered=oracle.unanswered)

    def _view(self, model: Model, overrides: Overrides | None) -> GraphView:
        newest = self._worker.newest_opset
        if model.opset > newest:
            raise ModelError(
                f"operator set {model.opset} is newer than the installed onnx knows ({newest})",
                where=model.path,
                cure="Update onnx.",
                code="E115",
            )
        return build(model, self._oracle, overrides)

    def check(self, view: GraphView, target: Target, others: Sequence[Target] = (), measured: Measured = NOTHING) -> Outcome:
        """The predicted build of ``view`` on ``target``, and in one line each on ``others``; ``measured`` is what else is known."""
        placed = self.place(view, target, measured=measured)
        outcome = assemble(view, placed, self.rules, self._checker, self._converted(view, target), measured)
        lines = [line(view, self.place(view, other), self.rules, self._converted(view, other)) for other in others if other != target]
        return outcome._replace(others=tuple(lines))

    def _converted(self, view: GraphView, target: Target) -> Placement | None:
        """The placement of the model in FP16, for a target that takes no FP32 and a model that computes in it."""
        rules = self.rules.for_target(target)
        allowed = rules.limits.get("tensor.dtypes")
        if allowed is None or not isinstance(allowed.value, tuple) or "float32" in allowed.value:
            return None
        if not any(view.types[name].dtype == "float32" for call in view.calls for name in call.node.outputs if name in view.types):
            return None
        return self.place(view, target, self.rules.allowing(target, "tensor.dtypes", "float32"))

    def place(self, view: GraphView, target: Target, rules: TargetRules | None = None, measured: Measured = NOTHING) -> Placement:
        """Lower, judge and group, by the rules of ``target`` unless others are given."""
        network = simplify(self._lowerer.lower(view, target.trt), self._fusions)
        scales = measured.scales if target.precision == "int8" else None
        barred: frozenset[int] = frozenset()
        if scales is not None and scales.kinds:
            from dlalint.int8.coverage import barred_by  # few runs have scales, and all wait for what is imported

            barred = barred_by(network, view.model.graph, scales)
        return place(network, rules or self.rules.for_target(target), self._checker, barred)
