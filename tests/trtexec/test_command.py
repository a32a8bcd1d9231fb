"""The commands for real models, exactly; their quoting; what they leave out and refuse."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import onnx
import onnx.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.cli import execute
from dlalint.engine import store
from dlalint.engine.targets import parse
from dlalint.errors import UsageError
from dlalint.model.inputs import Overrides
from dlalint.pipeline import Session
from dlalint.trtexec.command import Recipe, Request, recipe
from dlalint.trtexec.flags import Flags
from dlalint.trtexec.shell import Argument, Command, block, line

NO_SHAPES = Overrides()


def made(
    session: Session,
    path: Path,
    target: str,
    precision: str = "fp16",
    request: Request | None = None,
    shapes: Overrides = NO_SHAPES,
) -> Recipe:
    """The commands for the model at ``path``, saved under its own file name."""
    wanted = parse(target, session.rules, precision)
    outcome = session.check(session.view(path, shapes), wanted)
    outcome = outcome._replace(model=outcome.model._replace(path=path.name))
    tables = store.read(store.locate()).tables
    flags = Flags(tables["trtexec"], tables["sources"], wanted.trt)
    return recipe(outcome, outcome.partition, flags, session.rules.socs[wanted.soc], request or Request())


def written(folder: Path, text: str, name: str = "net.onnx") -> Path:
    """A model in the syntax of ``onnx.parser`` as a file."""
    path = folder / name
    path.write_bytes(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 13]> g {text}').SerializeToString())
    return path


PROFILE = "--dumpProfile --exportProfile={0}.profile.json"
PROFILED = f"--saveEngine={{0}}.engine {PROFILE}"
SAVED = f"--saveEngine={{0}}.engine --profilingVerbosity=detailed --exportLayerInfo={{0}}.layers.json {PROFILE}"
FIVE = ",".join(["int8:chw32"] * 5)
COMMANDS = {
    "full-10.3": (
        "unet_k2s2 orin-trt10.3 fp16",
        f"--fp16 --useDLACore=0 --inputIOFormats=fp16:dla_hwc4 --outputIOFormats=fp16:dla_linear {SAVED} --separateProfileRun --verbose",
    ),
    "full-5.1": ("unet_k2s2 xavier-trt5.1 fp16", "--fp16 --useDLACore=0 --saveEngine={0}.engine --dumpLayerTime --verbose"),
    "partial-10.3": (
        "resnet18 orin-trt10.3 fp16",
        f"--fp16 --useDLACore=0 --allowGPUFallback --inputIOFormats=fp16:dla_hwc4 {SAVED} --separateProfileRun --verbose",
    ),
    "partial-7.1": (
        "resnet18 xavier-trt7.1 fp16",
        f"--fp16 --useDLACore=0 --allowGPUFallback --inputIOFormats=fp16:chw16 --explicitBatch --workspace=1024 {PROFILED} --verbose",
    ),
    "partial-5.0": (
        "resnet18 xavier-trt5.0 fp16",
        "--fp16 --useDLACore=0 --allowGPUFallback --workspace=1024 --engine={0}.engine --verbose",
    ),
    "none-11.4": (
        "unet_k2s2 orin-trt11.4 fp16",
        f"--useDLACore=0 --allowGPUFallback {SAVED} --verbose",
    ),
    "int8-8.5": (
        "fpn_resnet18 orin-trt8.5 int8",
        f"--int8 --fp16 --useDLACore=0 --inputIOFormats=int8:dla_hwc4 --outputIOFormats={FIVE} {SAVED} --separateProfileRun --verbose",
    ),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_command_is_exactly_this(session: Session, models: Path, case: str) -> None:
    what, expected = COMMANDS[case]
    model, target, precision = what.split()
    build = made(session, models / f"{model}.onnx", target, precision).commands[0]
    assert line(build) == f"trtexec --onnx={model}.onnx {expected.format(model)}"
    assert "\n".join(block(build, 200)).replace(" \\\n  ", " ") == line(build)
    assert all(argument.why for argument in build.arguments)


def said(found: Recipe, flag: str) -> str:
    """Why the commands leave ``flag`` out; empty when they do not say."""
    return dict(found.omitted).get(flag, "")


def values(found: Recipe, number: int = 0) -> dict[str, str]:
    return {argument.flag: ",".join(argument.parts) for argument in found.commands[number].arguments}


def test_without_fallback_is_said_to_be_an_error(session: Session, models: Path) -> None:
    found = made(session, models / "unet_k2s2.onnx", "orin-trt10.3")
    assert said(found, "--allowGPUFallback") == "nothing falls back; without it a layer that would is an error and not a silent loss"
    assert [command.name for command in found.commands] == ["build", "load", "standalone"]


def test_one_loadable_can_stand_alone(session: Session, models: Path) -> None:
    found = made(session, models / "unet_k2s2.onnx", "orin-trt10.3")
    assert line(found.commands[2]) == (
        "trtexec --onnx=unet_k2s2.onnx --fp16 --useDLACore=0 --inputIOFormats=fp16:dla_hwc4 --outputIOFormats=fp16:dla_linear"
        " --buildDLAStandalone --saveEngine=unet_k2s2.dla"
    )
    older = made(session, models / "unet_k2s2.onnx", "orin-trt8.5")
    assert line(older.commands[2]) == (  # --safe takes the DLA's native vectors only
        "trtexec --onnx=unet_k2s2.onnx --fp16 --useDLACore=0 --inputIOFormats=fp16:chw16 --outputIOFormats=fp16:chw16"
        " --safe --saveEngine=unet_k2s2.dla"
    )
    partial = made(session, models / "resnet18.onnx", "orin-trt10.3")
    assert len(partial.commands) == 2
    assert said(partial, "--buildDLAStandalone").startswith("no bare loadable for cuDLA: ")


@pytest.mark.parametrize(
    ("target", "flag", "value"),
    [
        ("orin-trt8.5", "--shapes", "input:4x3x224x224"),
        ("orin-trt10.3", "--shapes", "input:4x3x224x224"),
        ("xavier-trt7.1", "--shapes", "input:4x3x224x224"),
        ("xavier-trt6.0", "--batch", "4"),
        ("xavier-trt5.0", "--batch", "4"),
    ],
)
def test_free_dimensions_are_fixed(session: Session, models: Path, target: str, flag: str, value: str) -> None:
    found = made(session, models / "resnet18_dynamic.onnx", target, shapes=Overrides({}, 4))
    assert values(found)[flag] == value
    assert ("--shapes" in values(found)) != ("--batch" in values(found))
    loads = [command for command in found.commands if command.name == "load"]
    assert all((flag, value) in [(argument.flag, ",".join(argument.parts)) for argument in command.arguments] for command in loads)


def test_static_models_need_no_shapes(session: Session, models: Path) -> None:
    assert "--shapes" not in values(made(session, models / "resnet18.onnx", "orin-trt8.5"))


def test_only_the_batch_can_be_fixed_before_seven(session: Session, models: Path) -> None:
    shapes = Overrides({"input": (1, 3, 64, 64)})
    assert not any("behind the batch" in note for note in made(session, models / "fcn_dynamic.onnx", "xavier-trt7.0", shapes=shapes).notes)
    assert any("behind the batch" in note for note in made(session, models / "fcn_dynamic.onnx", "xavier-trt6.0", shapes=shapes).notes)


def test_calibration(session: Session, models: Path) -> None:
    model = models / "fpn_resnet18.onnx"
    given = Request(calibration="my scales.cache")
    found = made(session, model, "orin-trt10.3", "int8", given)
    assert values(found)["--calib"] == "my scales.cache"
    assert "'--calib=my scales.cache'" in line(found.commands[0])
    assert values(found)["--outputIOFormats"] == ",".join(["int8:chw32"] * 5)
    # up to 8.6 trtexec compares the number of output formats with that of the inputs when it reads scales: one for all
    assert values(made(session, model, "orin-trt8.5", "int8", given))["--outputIOFormats"] == "int8:chw32"
    # up to 7.2 INT8 formats make it ignore the scales
    old = made(session, model, "xavier-trt7.2", "int8", given)
    assert "--inputIOFormats" not in values(old)
    assert "made-up" in said(old, "--inputIOFormats")
    none = made(session, model, "orin-trt10.3", "int8")
    assert "makes up scales" in said(none, "--calib")


@pytest.mark.parametrize(
    ("target", "precision", "request_", "code"),
    [
        ("orin-trt10.9", "fp16", Request(), "E530"),
        ("thor-trt11.4", "fp16", Request(), "E530"),
        ("orin-trt10.3", "fp16", Request(program="a\nb"), "E531"),
        ("orin-trt10.3", "fp16", Request(calibration="cache"), "E532"),
        ("orin-trt11.4", "int8", Request(calibration="cache"), "E532"),
        ("orin-trt10.3", "int8", Request(calibration="\x1b[2J"), "E531"),
    ],
)
def test_refused(session: Session, models: Path, target: str, precision: str, request_: Request, code: str) -> None:
    with pytest.raises(UsageError) as raised:
        made(session, models / "unet_k2s2.onnx", target, precision, request_)
    assert raised.value.code == code
    assert raised.value.cure


def test_free_dimensions_are_refused(session: Session, models: Path) -> None:
    with pytest.raises(UsageError, match="free dimensions") as raised:
        made(session, models / "resnet18_dynamic.onnx", "orin-trt10.3")
    assert raised.value.code == "E533"


# formats, on small models


@pytest.mark.parametrize(
    ("text", "target", "precision", "inputs", "outputs"),
    [
        ("(float[1,8,8,8] x) => (float[1,8,8,8] y) { y = Relu(x) }", "orin-trt10.3", "fp16", "fp16:chw16", "fp16:chw16"),
        ("(float[1,8,8,8] x) => (float[1,8,8,8] y) { y = Relu(x) }", "orin-trt10.3", "int8", "int8:chw32", "int8:chw32"),
        ("(float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu(x) }", "orin-trt10.3", "fp16", "fp16:dla_linear", "fp16:dla_linear"),
        ("(float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu(x) }", "xavier-trt7.2", "fp16", "fp16:chw16", "fp16:chw16"),
        ("(float[1,8,8,8] x) => (float[1,8,8,8] y) { y = Sigmoid(x) }", "xavier-trt8.4", "int8", "int8:chw32", "fp16:chw16"),
        ("(float16[1,8,8,8] x) => (float16[1,8,8,8] y) { y = Relu(x) }", "orin-trt11.4", "fp16", "chw16", "chw16"),
        (
            "(float[1,8,8,8] x, int64[2] i) => (float[1,8,8,8] y, int64[2] j) { y = Relu(x) j = Add(i, i) }",
            "orin-trt10.3",
            "fp16",
            "fp16:chw16,int64:chw",
            "fp16:chw16,int64:chw",
        ),
        (
            "(float[1,8,8,8] x, int64[2] i) => (float[1,8,8,8] y, int64[2] j) { y = Relu(x) j = Add(i, i) }",
            "orin-trt8.6",
            "fp16",
            "fp16:chw16,int32:chw",
            "fp16:chw16,int32:chw",
        ),
        ("(float[1,8,8,8] x) => (float[1,8,8,8] y) { y = Erf(x) }", "orin-trt10.3", "fp16", "", ""),
    ],
)
def test_formats(session: Session, tmp_path: Path, text: str, target: str, precision: str, inputs: str, outputs: str) -> None:
    found = values(made(session, written(tmp_path, text), target, precision))
    assert (found.get("--inputIOFormats", ""), found.get("--outputIOFormats", "")) == (inputs, outputs)


def test_strongly_typed(session: Session, tmp_path: Path) -> None:
    text = "(float16[1,3,8,8] x) => (float16[1,3,8,8] y) { y = Relu(x) }"
    found = made(session, written(tmp_path, text), "orin-trt11.4")
    assert line(found.commands[0]).startswith(
        "trtexec --onnx=net.onnx --useDLACore=0 --inputIOFormats=dla_linear --outputIOFormats=dla_linear --saveEngine=net.engine"
    )
    assert "modelopt" in said(found, "--fp16")
    assert any("are those of 11.1" in note for note in found.notes)
    assert "add it" in said(found, "--reportCapabilityDLA")
    assert said(found, "--adjustForDLA")


def test_an_input_shared_with_the_gpu_stays_linear(session: Session, tmp_path: Path) -> None:
    text = "(float[1,8,8,8] x) => (float[1,8,8,8] y, float[1,8,8,8] z) { y = Relu(x) z = Erf(x) }"
    found = values(made(session, written(tmp_path, text), "orin-trt10.3"))
    assert "--inputIOFormats" not in found
    assert found["--outputIOFormats"] == "fp16:chw16,fp32:chw"


def test_conversion_at_an_input_needs_the_fallback(session: Session, tmp_path: Path) -> None:
    """From 8.2 on trtexec forbids every reformat when the GPU may not help."""
    text = "(bool[1,8,8,8] c, float[1,8,8,8] x) => (float[1,8,8,8] y) { y = Relu(x) }"
    found = made(session, written(tmp_path, text), "orin-trt8.6")
    assert "--inputIOFormats" not in values(found)
    assert said(found, "--inputIOFormats") == "trtexec has no word for the type of c"
    assert "--allowGPUFallback" in values(found)
    older = made(session, written(tmp_path, text), "xavier-trt8.0")
    assert "--allowGPUFallback" not in values(older)


def test_no_system_without_fallback_gets_it(session: Session, models: Path) -> None:
    found = made(session, models / "vit.onnx", "woa-trt11.4")
    assert "--allowGPUFallback" not in values(found)
    assert any(note.startswith("This build fails") for note in found.notes)


def test_float_inputs_have_no_layout_where_types_are_strong(session: Session, models: Path) -> None:
    found = made(session, models / "unet_k2s2.onnx", "woa-trt11.4")
    assert "--inputIOFormats" not in values(found)
    assert said(found, "--inputIOFormats") == "the DLA has no layout for the type of the inputs"
    assert [command.name for command in found.commands] == ["build", "load"]


def test_pools_grow_with_a_loadable(session: Session, tmp_path: Path) -> None:
    text = "(float[1,8192,256,256] x) => (float[1,8192,256,256] y) { t = Relu(x) y = Relu(t) }"
    path = written(tmp_path, text)
    assert values(made(session, path, "orin-trt8.6"))["--memPoolSize"] == "dlaLocalDRAM:2048"
    assert "comes with 8.4: one loadable has 1024 MiB" in said(made(session, path, "xavier-trt8.2"), "--memPoolSize")


# names that a command line cannot take


def test_a_name_that_no_specification_holds_is_left_out(session: Session, tmp_path: Path) -> None:
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 13]> g (float[N,8,8,8] x) => (float[N,8,8,8] y) { y = Relu(x) }')
    model.graph.input[0].name = model.graph.node[0].input[0] = "a,b:1x1"
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    found = made(session, path, "orin-trt10.3", shapes=Overrides({}, 1))
    assert "--shapes" not in values(found)
    assert "cannot be written" in said(found, "--shapes")


def test_hostile_names_are_quoted(session: Session, tmp_path: Path) -> None:
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 13]> g (float[N,8,8,8] x) => (float[N,8,8,8] y) { y = Relu(x) }')
    model.graph.input[0].name = model.graph.node[0].input[0] = '$(touch owned) `id` ";&|\\ #~'
    path = tmp_path / "it's $(rm -rf) a;b.onnx"
    path.write_bytes(model.SerializeToString())
    build = made(session, path, "orin-trt10.3", shapes=Overrides({}, 1)).commands[0]
    assert _through_the_shell(build, tmp_path) == [argument.text for argument in build.arguments]
    assert not (tmp_path / "owned").exists()


def _through_the_shell(command: Command, folder: Path, width: int = 80) -> list[str]:
    """What a program gets as its arguments when the block is pasted into a shell."""
    printing = command._replace(program="printf", arguments=(Argument("%s\\0", (), "", ""), *command.arguments))
    done = subprocess.run(["sh", "-c", "\n".join(block(printing, width))], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


TEXT = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=12)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(TEXT, st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=6)), max_size=4), st.integers(20, 120))
def test_quoting_survives_the_shell(program: str, arguments: list[tuple[str, list[str]]], width: int) -> None:
    command = Command("build", "", program, tuple(Argument(f"--{flag}", tuple(parts), "", "") for flag, parts in arguments))
    wanted = [program, *(argument.text for argument in command.arguments)]
    assert shlex.split(line(command)) == wanted
    assert shlex.split("\n".join(block(command, width)).replace("\\\n", "")) == wanted


def test_long_lists_go_on_in_the_next_line(tmp_path: Path) -> None:
    names = tuple(f"/layer{number}/it's Conv:GPU" for number in range(9))
    command = Command("build", "", "trtexec", (Argument("--layerDeviceTypes", names, "", ""), Argument("--verbose", (), "", "")))
    lines = block(command, 60)
    assert len(lines) > 4
    assert all(len(text) <= 60 for text in lines)
    assert _through_the_shell(command, tmp_path, 60) == [argument.text for argument in command.arguments]


def test_a_program_is_no_assignment() -> None:
    assert line(Command("build", "", "A=b", ())) == "'A=b'"


# the command line


def dlalint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = execute(["trtexec", *arguments])
    return code, *capsys.readouterr()


def test_plain_prints_the_command_alone(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    code, out, err = dlalint(capsys, str(models / "unet_k2s2.onnx"), "--target", "orin-trt10.3", "--plain", "--trtexec", "/usr/bin/trtexec")
    assert (code, err) == (0, "")
    words = shlex.split(out.replace("\\\n", ""))
    assert words[:2] == ["/usr/bin/trtexec", f"--onnx={models / 'unet_k2s2.onnx'}"]
    assert words[-1] == "--verbose"


def test_text_gives_a_reason_for_each_flag(capsys: pytest.CaptureFixture[str], models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = dlalint(capsys, str(models / "resnet18.onnx"), "--target", "orin-trt10.3")
    assert code == 0
    reasons = [
        text.split()[0] for text in out.splitlines() if text.startswith("  --") and "  " in text[2:].strip() and not text.endswith("\\")
    ]
    assert set(reasons) >= {"--onnx", "--fp16", "--useDLACore", "--allowGPUFallback", "--saveEngine", "--verbose", "--memPoolSize"}
    assert all(len(text) <= 80 for text in out.splitlines() if "http" not in text and not text.startswith("trtexec for"))
    assert "trtexec of TensorRT 10.0.0 to 10.16" in out


def test_json(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    code, out, _ = dlalint(capsys, str(models / "unet_k2s2.onnx"), "--target", "orin-trt10.3", "--format", "json")
    found = json.loads(out)
    assert (code, found["schema"], found["verdict"], found["coarser"]) == (0, 1, "full", None)
    build = found["commands"][0]
    assert shlex.split(build["line"]) == build["arguments"]
    assert [flag["flag"] for flag in build["flags"]] == [text.split("=")[0] for text in build["arguments"][1:]]
    assert build["flags"][1] == {
        "flag": "--fp16",
        "value": None,
        "why": "allows FP16, the type that the DLA computes in besides INT8",
        "since": "5.0",
        "until": "10.16",
    }


@pytest.mark.parametrize(
    ("arguments", "said_"),
    [
        (("--target", "orin-trt10.10"), "error[E530]: orin-trt10.10 has no DLA: TensorRT 10.7 is the last"),
        (("--plain", "--format", "json"), "error[E505]: --plain prints text."),
        (("--max-moved", "lots"), "error[E503]: 'lots' is no share."),
        (("--max-moved", "101%"), "error[E503]"),
        (("--target", "orin-trt10.3", "--calibration", "x"), "error[E532]: scales are for INT8."),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], models: Path, arguments: tuple[str, ...], said_: str) -> None:
    code, out, err = dlalint(capsys, str(models / "unet_k2s2.onnx"), *arguments)
    assert (code, out) == (2, "")
    assert said_ in err
    assert err.count("\n") == 1
