"""No code reads names private to another module: `x._name` of its objects, or its `_name`."""

from functools import cache

import house
import pytest
from private_access import private_accesses

ALLOWED = {  # a name, or a whole expression: why
    "sys._getframe": "where a warning points is known to no public function",
    "import of matplotlib._pylab_helpers.Gcf": "pyplot knows it too, but would be loaded for it",
}


@cache
def accesses(module):
    return private_accesses(house.PATHS[module].read_text("utf-8"), house.package_of(module))


@pytest.mark.parametrize("module", house.PATHS)
def test_nothing_private_is_read_from_elsewhere(module):
    path = house.PATHS[module].relative_to(house.PACKAGE.parent)
    found = [
        f"{path}:{access.line}: {access.text}"
        for access in accesses(module)
        if access.name not in ALLOWED and access.text not in ALLOWED
    ]
    assert found == [], "\n".join(["", *found])


@pytest.mark.parametrize("allowed", ALLOWED)
def test_what_is_allowed_is_needed(allowed):
    found = [access for module in house.PATHS for access in accesses(module)]
    assert any(allowed in (access.name, access.text) for access in found)


CLEAN = {
    "of self": """
class C:
    def f(self):
        self._x = 1
        return self._x + self._f()
""",
    "of the class": """
class C:
    _most = 3
    @classmethod
    def f(cls):
        return cls._most + C._most
""",
    "of another object of the class, by its annotation": """
class C:
    def f(self, other: C, more: C | None, quoted: "C[int]") -> int:
        return other._x + more._x + quoted._x
""",
    "of another object of the class, by a look at it": """
class C:
    def __add__(self, other):
        if not isinstance(other, C):
            return NotImplemented
        return other._x
""",
    "of a new object of the class": """
class C:
    def __new__(cls):
        new = super().__new__(cls)
        new._x = object.__new__(C)._x
        return new
    @classmethod
    def f(cls):
        found = cls(1)
        return found._x
""",
    "of an object of a class of the same module": """
class C:
    _x: int
    def copy(self) -> "C":
        return C()
def made() -> C:
    return C()
def f(c: C):
    return c._x + made()._x + c.copy()._x + C()._x
""",
    "of an attribute of such a class": """
class Inner:
    _y = 1
class C:
    def __init__(self, given: Inner):
        self.inner = Inner()
        self.given = given
    def f(self):
        return self.inner._y + self.given._y
""",
    "of such objects in a row": """
class C:
    def f(self, states: list[C]):
        a = [state._x for state in states if state._y]
        for state in states:
            a += state._x
        return a + states[0]._x
""",
    "of the base class": """
class C(Base):
    def f(self):
        return super()._f()
""",
    "not private": "import x\nfrom x import y, __version__\nx.__dict__, y.a_, x.y\n",
    "a private module beside this one": "from hingemetrics.plot import _panels\n"
    "from hingemetrics.plot._display import Display\nfrom ._values import plot_value\n"
    "from hingemetrics._core import exact\n",
}
TRESPASSING = {
    "of what a caller hands in": ("def f(state):\n    return state._x\n", "state._x"),
    "written": ("def f(state):\n    state._x = 1\n", "state._x"),
    "of an object of another module's class": (
        "from m import D\ndef f(d: D):\n    return d._x\n",
        "d._x",
    ),
    "of another module's class": ("from m import D\nD._x\n", "D._x"),
    "of a module": ("import m\nm._x\n", "m._x"),
    "by its name as text": ("def f(d):\n    return getattr(d, '_x', 0)\n", "getattr(d, '_x', 0)"),
    "through self": (
        "class C:\n    def f(self):\n        return self.d._x\n",
        "self.d._x",
    ),
    "in a function of a class's method": (
        "class C:\n    def f(self):\n        return lambda state: state._x\n",
        "state._x",
    ),
    "known in another function only": (
        "class C:\n    def f(self, d: C): ...\n    def g(self, d):\n        return d._x\n",
        "d._x",
    ),
    "no longer what it was": (
        "class C:\n    def f(self, d: C):\n        d = other()\n        return d._x\n",
        "d._x",
    ),
    "imported": ("from m import _x\n", "import of m._x"),
    "a module that is private to another package": (
        "from hingemetrics.metrics._base import x\n",
        "import of hingemetrics.metrics._base.x",
    ),
    "a private module of another project": ("import numpy._core\n", "import of numpy._core"),
}


@pytest.mark.parametrize("source", CLEAN.values(), ids=CLEAN)
def test_what_is_ones_own(source):
    assert private_accesses(source, "hingemetrics.plot") == []


@pytest.mark.parametrize(("source", "text"), TRESPASSING.values(), ids=TRESPASSING)
def test_what_is_not(source, text):
    assert [access.text for access in private_accesses(source, "hingemetrics.plot")] == [text]
