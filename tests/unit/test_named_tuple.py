"""Named tuples of this project are those of the standard library to whoever uses them."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from dlalint.named_tuple import NamedTuple


class Own(NamedTuple):
    """One of ours."""

    name: str
    size: int = 3

    @property
    def double(self) -> int:
        """A property."""
        return 2 * self.size


class Library(typing.NamedTuple):
    """The same from the library."""

    name: str
    size: int = 3


@pytest.mark.parametrize("values", [("a",), ("a", 4)])
def test_is_what_the_library_makes(values: tuple[str, int]) -> None:
    own, theirs = Own(*values), Library(*values)
    assert tuple(own) == tuple(theirs)
    assert own == tuple(theirs)
    assert hash(own) == hash(theirs)
    assert repr(own) == repr(theirs).replace("Library", "Own")
    assert own._asdict() == theirs._asdict()
    assert tuple(own._replace(size=9)) == tuple(theirs._replace(size=9))
    assert type(own._replace(size=9)) is Own
    assert tuple(Own._make(["b", 1])) == tuple(Library._make(["b", 1]))


def test_its_class_tells_as_much() -> None:
    assert (Own._fields, Own._field_defaults, Own.__match_args__) == (Library._fields, Library._field_defaults, Library.__match_args__)
    assert typing.get_type_hints(Own) == typing.get_type_hints(Library)
    assert Own.__doc__ == "One of ours."
    assert not hasattr(Own("a"), "__dict__")


def test_fields_by_name_by_pattern_and_by_property() -> None:
    match Own(size=5, name="x"):
        case Own(name, size=size):
            assert (name, size) == ("x", 5)
        case _:
            pytest.fail("no match")
    assert Own("x", 5).double == 10


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))], ids=["copy", "deep", "pickle"]
)
def test_copies_are_equal_and_of_the_same_class(again: typing.Callable[[Own], Own]) -> None:
    found = again(Own("x", 7))
    assert found == Own("x", 7)
    assert type(found) is Own


def test_a_class_may_be_extended() -> None:
    class More(Own):
        @property
        def triple(self) -> int:
            return 3 * self.size

    assert More("x", 2).triple == 6
    assert More("x", 2).double == 4
    assert type(More("x")) is More


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError, match="name"):
        Own()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional arguments but"):
        Own("x", 1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Own("x", colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Own has no field 'colour'"):
        Own("x")._replace(colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Own has 2 fields, not 1"):
        Own._make(["x"])
    with pytest.raises(AttributeError):
        Own("x").name = "y"  # type: ignore[misc]
