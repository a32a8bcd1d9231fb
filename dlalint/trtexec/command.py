"""The trtexec commands that build what was predicted, each flag with its reason."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from dlalint.errors import UsageError
from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome, Partition
from dlalint.trtexec.flags import Flags
from dlalint.trtexec.io_layout import IoLayout, Layouts
from dlalint.trtexec.shell import Argument, Command

_MIB = 1 << 20
_POOLS = {"weights-too-large": ("dlaGlobalDRAM", "weights"), "tensors-too-large": ("dlaLocalDRAM", "tensors between layers")}
_SCRATCH = 1024  # MiB for the layers on the GPU where the default is 16


class Request(NamedTuple):
    """What the user asks for: the program's name, a calibration file (empty without), the layers sent to the GPU by name."""

    program: str = "trtexec"
    calibration: str = ""
    to_gpu: tuple[str, ...] = ()


class Recipe(NamedTuple):
    """The commands, the flags that they leave out and why, what else to know, and the source of the flags (an id)."""

    commands: tuple[Command, ...]
    omitted: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    source: str


def recipe(outcome: Outcome, partition: Partition, flags: Flags, soc: Mapping[str, Any], request: Request) -> Recipe:
    """The commands for ``outcome`` placed as ``partition`` says (its own, or a coarser one).

    ``soc`` is the table of the SoC in rules/socs. Raises :class:`UsageError` when there is no such command: a release without DLA, an input
    whose free dimensions are not fixed, names that no command line can show, options that do not go together.
    """
    _refuse(outcome, flags, request)
    return _Writer(outcome, partition, flags, soc, request).recipe()


def _refuse(outcome: Outcome, flags: Flags, request: Request) -> None:
    target = outcome.target
    if outcome.status == "no-dla":
        reason = next((found.message for found in outcome.findings if found.name == "release-without-dla"), "")
        raise UsageError(
            f"{target.name} has no DLA: {reason}", where="--target", cure="`dlalint targets` lists those with one.", code="E530"
        )
    for where, text in (("MODEL", outcome.model.path), ("--calibration", request.calibration), ("--trtexec", request.program)):
        if not text.isprintable():
            raise UsageError("the name has characters that no command line can show", where=where, cure="Rename the file.", code="E531")
    if request.calibration and target.precision != "int8":
        raise UsageError("scales are for INT8", where="--calibration", cure="Add --precision int8.", code="E532")
    if request.calibration and flags.find("calibration") is None:
        cure = "Put the scales into the model as Q/DQ nodes."
        raise UsageError(f"trtexec of TensorRT {target.release} takes no calibration file", where="--calibration", cure=cure, code="E532")
    for name in outcome.network.inputs:
        if name in outcome.network.dynamic:
            shown = name if name.isprintable() else "NAME"
            cure = f"Fix them with --batch 1 or --shape {shown}:1x3x224x224; the DLA takes no others."
            raise UsageError(f"the input {shown!r} has free dimensions", where="MODEL", cure=cure, code="E533")


class _Writer:
    def __init__(self, outcome: Outcome, partition: Partition, flags: Flags, soc: Mapping[str, Any], request: Request) -> None:
        self.outcome = outcome
        self.flags = flags
        self.soc = soc
        self.request = request
        self.release = outcome.target.release
        self.int8 = outcome.target.precision == "int8"
        self.on_gpu = sum(device is not Device.DLA for device in partition.devices)
        self.loadables = len(partition.kept)
        calibrated = bool(request.calibration)
        layout = IoLayout(outcome, partition, flags, calibrated=calibrated)
        self.inputs, self.outputs = layout.inputs(), layout.outputs()
        bare = IoLayout(outcome, partition, flags, calibrated=calibrated, native=True)
        self.bare = (bare.inputs(), bare.outputs())
        stem, extension = posixpath.splitext(posixpath.basename(outcome.model.path.replace("\\", "/")))
        self.stem = stem if extension else stem or "model"
        self.arguments: list[Argument] = []
        self.omitted: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def recipe(self) -> Recipe:
        build = Command("build", "", self.request.program, self._build())
        commands = [build]
        load = self._load()
        if load:
            commands.append(Command("load", "Run the engine again", self.request.program, load))
        standalone = self._standalone()
        if standalone:
            commands.append(Command("standalone", "As a bare loadable for cuDLA", self.request.program, standalone))
        self._options()
        self._remarks()
        return Recipe(tuple(commands), tuple(self.omitted), tuple(self.notes), self.flags.source)

    # the command that builds

    def _build(self) -> tuple[Argument, ...]:
        self._add("model", (self.outcome.model.path,))
        self._precision()
        self._add("dla", ("0",), cores=f" of {self.soc['dla_cores']}" if self.soc.get("dla_cores") else "")
        self._fallback()
        self._formats("inputs", self.inputs)
        self._formats("outputs", self.outputs)
        self._shapes()
        self._pools()
        if self.request.to_gpu:
            names = len(self.request.to_gpu)
            self._add("devices", tuple(f"{name}:GPU" for name in self.request.to_gpu), count="1 layer" if names == 1 else f"{names} layers")
        self._add("save", (f"{self.stem}.engine",))
        self._add("detail", ("detailed",))
        self._add("layers", (f"{self.stem}.layers.json",))
        self._add("profile")
        self._add("export", (f"{self.stem}.profile.json",))
        self._add("separate")
        self._add("verbose")
        return tuple(self.arguments)

    def _add(self, purpose: str, parts: Sequence[str] = (), **words: str) -> None:
        """The flag for ``purpose`` if the release has it, else what there is to say about that."""
        found = self.flags.find(purpose)
        if found is None:
            flag, missing = self.flags.missing(purpose)
            if missing:
                self.omitted.append((flag, missing.format(**words)))
            return
        self.arguments.append(Argument(found.flag, tuple(parts), found.why.format(**words), purpose, found.since, found.until))

    def _leave(self, purpose: str, why: str) -> None:
        found = self.flags.find(purpose)
        if found is not None:
            self.omitted.append((found.flag, why))

    def _precision(self) -> None:
        if self.int8:
            self._add("int8")
        if not self.int8 or self.flags.find("fp16") is not None:
            self._add("fp16")
        if self.request.calibration:
            self._add("calibration", (self.request.calibration,))
        elif self.int8:
            self._leave("calibration", "no file is given (--calibration FILE): trtexec makes up scales, good for times and not for results")

    def _fallback(self) -> None:
        if self.soc.get("fallback") is False:
            self._leave("fallback", "there is none on this system; a layer that the DLA does not take makes the build fail")
        elif self.on_gpu:
            many = f"{self.on_gpu} layers run" if self.on_gpu > 1 else "1 layer runs"
            self._add("fallback", reason=f"{many} on the GPU; without it the build fails")
        elif self.flags.does("direct_io") and not (self.inputs.spared and self.outputs.spared):
            self._add("fallback", reason="all layers run on the DLA, but inputs or outputs are converted, which only the GPU does")
        else:
            self._leave("fallback", "nothing falls back; without it a layer that would is an error and not a silent loss")

    def _formats(self, purpose: str, found: Layouts) -> None:
        if found.specs:
            self._add(purpose, found.specs, reason=found.why)
        elif self.flags.find(purpose) is None:
            self._add(purpose)
        else:
            self._leave(purpose, found.why)

    def _shapes(self) -> None:
        network, declared = self.outcome.network, self.outcome.model.graph.declared
        known = {name: network.types[name].dims for name in network.inputs if name in network.types}
        fixed = {}
        for name, dims in known.items():
            stated = declared.get(name)
            if dims is not None and (stated is None or stated.dims is None):
                fixed[name] = dims
        self._add("explicit_batch")
        if self.flags.find("batch") is not None:
            batch = next((dims[0] for dims in known.values() if dims), 1)
            if batch != 1 or fixed:
                self._add("batch", (str(batch),))
            if any(_free_beyond_batch(self.outcome, name) for name in fixed):
                self.notes.append(
                    f"trtexec of TensorRT {self.release} cannot fix dimensions behind the batch: export the model with this size."
                )
            return
        bad = [name for name in fixed if not self.flags.nameable(name)]
        if bad:
            why = "an input's name cannot be written in a specification; rename the input, trtexec would build for free dimensions of 1"
            self._leave("shapes", why)
        elif fixed:
            self._add("shapes", tuple(f"{name}:{'x'.join(map(str, dims))}" for name, dims in fixed.items()))

    def _pools(self) -> None:
        if self.on_gpu:
            self._add("workspace", (str(_SCRATCH),))
        parts, reasons = [], []
        for slug, (pool, what) in _POOLS.items():
            needed = max(
                (found.observed for found in self.outcome.findings if found.name == slug and isinstance(found.observed, int)), default=0
            )
            if needed:
                size = 1 << (needed // _MIB).bit_length()
                parts.append(f"{pool}:{size}")
                reasons.append(f"one loadable has {needed / _MIB:.0f} MiB of {what}, more than the pool")
        if parts:
            self._add("pools", parts, reason="; ".join(reasons) + " (MiB)")
        elif self.loadables:
            self._leave("pools", f"the default pools hold every loadable{self._sram()}")

    def _sram(self) -> str:
        size = self.soc.get("managed_sram_kib")
        return f"; for speed, dlaSRAM:{size / 512:g} doubles the memory on the chip" if size else ""

    # the other commands

    def _load(self) -> tuple[Argument, ...]:
        self.arguments, kept = [], self.arguments
        if self.flags.find("load") is not None:
            self._add("load", (f"{self.stem}.engine",))
            self._add("dla", ("0",), cores="")
            self.arguments += [argument for argument in kept if argument.purpose in ("batch", "shapes", "explicit_batch")]
        self.arguments, found = kept, self.arguments
        return tuple(found)

    def _standalone(self) -> tuple[Argument, ...]:
        if self.flags.find("standalone") is None:
            return ()
        why = self._not_standalone()
        if why:
            self._leave("standalone", f"no bare loadable for cuDLA: {why}")
            return ()
        self.arguments, kept = [], self.arguments
        self.arguments += [argument for argument in kept if argument.purpose in ("model", "int8", "fp16", "calibration", "dla")]
        self._formats("inputs", self.bare[0])
        self._formats("outputs", self.bare[1])
        self.arguments += [argument for argument in kept if argument.purpose in ("shapes", "explicit_batch", "pools")]
        self._add("standalone")
        self._add("save", (f"{self.stem}.dla",))
        self.arguments, found = kept, self.arguments
        return tuple(found)

    def _not_standalone(self) -> str:
        if self.on_gpu:
            return f"{self.on_gpu} layers run on the GPU" if self.on_gpu > 1 else "1 layer runs on the GPU"
        if self.loadables != 1:
            return f"it takes one loadable, and these are {self.loadables}"
        return "" if self.bare[0].spared and self.bare[1].spared else "an input or output is in no layout of the DLA"

    # what is left

    def _options(self) -> None:
        found = self.flags.find("capability")
        if found is not None:
            add = "add it to have the parser check each node for the DLA; it stops at the first that does not run there"
            self.omitted.append(
                (found.flag, "makes the parser stop at a node that does not run on the DLA, as some here" if self.on_gpu else add)
            )
        for purpose in ("adjust", "skip"):
            found = self.flags.find(purpose)
            if found is not None:
                self.omitted.append((found.flag, found.why))
        fallen = sum(finding.name == "int8-runs-in-fp16" for finding in self.outcome.findings)
        found = self.flags.find("precisions")
        if found is not None and self.int8 and fallen:
            count = "1 layer" if fallen == 1 else f"{fallen} layers"
            self.omitted.append((found.flag, found.why.format(count=count)))

    def _remarks(self) -> None:
        lost = [found.node for found in self.outcome.findings if found.name == "operator-not-importable"]
        if lost:
            shown = lost[0] if lost[0].isprintable() else "a node"
            self.notes.append(
                f"This build fails: the parser of TensorRT {self.release} has no importer for {shown}, unless a plugin is it."
            )
        if not self.loadables:
            self.notes.append("Nothing of this model runs on the DLA: the build is one for the GPU, its log says why layer by layer.")
        if self.on_gpu and self.soc.get("fallback") is False:
            self.notes.append(f"This build fails: {self._not_standalone()}, and this system has no fallback.")
        if self.flags.read:
            self.notes.append(f"The sources of trtexec {self.release} are not public; the flags are those of {self.flags.read}.")
        if self.outcome.target.soc == "woa":
            self.notes.append("Quoted for a POSIX shell; PowerShell and cmd quote differently.")
        else:
            self.notes.append("On a Jetson trtexec lies in /usr/src/tensorrt/bin (--trtexec PATH).")


def _free_beyond_batch(outcome: Outcome, name: str) -> bool:
    stated = outcome.model.graph.declared.get(name)
    return stated is None or stated.shape is None or any(not isinstance(dim, int) for dim in stated.shape[1:])
