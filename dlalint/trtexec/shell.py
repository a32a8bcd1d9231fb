"""A command and how it is written for a shell."""

from __future__ import annotations

import shlex

from dlalint.named_tuple import NamedTuple


class Argument(NamedTuple):
    """A flag of a command; ``parts`` are its value in pieces that commas join, none for a switch. ``why`` says what it is for."""

    flag: str
    parts: tuple[str, ...]
    why: str
    purpose: str
    since: str = ""
    until: str = ""

    @property
    def text(self) -> str:
        """The flag with its value, as trtexec gets it."""
        return f"{self.flag}={','.join(self.parts)}" if self.parts else self.flag


class Command(NamedTuple):
    """A command: ``name`` is build, load or standalone, ``title`` says what it does."""

    name: str
    title: str
    program: str
    arguments: tuple[Argument, ...]


def line(command: Command) -> str:
    """The command in one line, quoted for a POSIX shell."""
    return " ".join([_program(command), *(shlex.quote(argument.text) for argument in command.arguments)])


def block(command: Command, width: int) -> list[str]:
    """The command in lines of at most ``width`` columns where it can be broken, quoted for a POSIX shell: one argument a line.

    A long list goes on at the beginning of the next line, where the shell joins it.
    """
    lines = [_program(command)]
    for argument in command.arguments:
        whole = f"  {shlex.quote(argument.text)}"
        found = [whole] if len(whole) + 2 <= width or len(argument.parts) < 2 else _broken(argument, width)
        lines[-1] += " \\"
        lines += found
    return lines


def _broken(argument: Argument, width: int) -> list[str]:
    pieces = [f"{argument.flag}={argument.parts[0]}", *argument.parts[1:]]
    lines: list[str] = []
    current = ""
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        joined = f"{current}{piece}{'' if last else ','}"
        if current and len(shlex.quote(joined)) + 3 > width:
            lines.append(shlex.quote(current))
            joined = joined[len(current) :]
        current = joined
    lines.append(shlex.quote(current))
    return [f"  {lines[0]}\\", *(f"{part}\\" for part in lines[1:-1]), lines[-1]] if len(lines) > 1 else [f"  {lines[0]}"]


def _program(command: Command) -> str:
    """The program's name; one with = would be an assignment."""
    quoted = shlex.quote(command.program)
    return f"'{quoted}'" if "=" in quoted and not quoted.startswith("'") else quoted
