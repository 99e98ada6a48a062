"""The public names: present, documented, typed, and known by their public path."""

import inspect
import pickle

import pytest
from places import PACKAGE

import hingemetrics


def test_version():
    assert [int(part) for part in hingemetrics.__version__.split(".")[:2]]


def test_typed():
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", sorted({*hingemetrics.__all__} - {"__version__"}))
def test_documented(name):
    thing = getattr(hingemetrics, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        bare = [
            attribute
            for attribute, member in vars(thing).items()
            if not attribute.startswith("_")
            and (callable(member) or isinstance(member, property | classmethod))
            and not inspect.getdoc(getattr(thing, attribute))
        ]
        assert bare == []


NAMES = sorted({*hingemetrics.__all__} - {"__version__"})


@pytest.mark.parametrize("name", NAMES)
def test_its_place_is_the_package(name):
    """Pickles and tracebacks show the public path, wherever the code lives."""
    thing = getattr(hingemetrics, name)
    assert thing.__module__ == "hingemetrics"
    assert thing.__qualname__ == thing.__name__
    assert pickle.loads(pickle.dumps(thing)) is thing


INSTANCES = [
    hingemetrics.HingeLoss(),
    hingemetrics.HingeState(),
    hingemetrics.MulticlassMode.ONE_VS_ALL,
    hingemetrics.Interval(0.0, 1.0, 0.5),
]  # pickles of windows and bootstraps hold digits, and are for the same version alone


@pytest.mark.parametrize("thing", INSTANCES, ids=lambda thing: type(thing).__name__)
def test_pickles_name_public_places(thing):
    written = pickle.dumps(thing, protocol=0)
    assert b"hingemetrics" in written
    assert b"hingemetrics." not in written
    twin = pickle.loads(written)
    assert (type(twin), repr(twin)) == (type(thing), repr(thing))
