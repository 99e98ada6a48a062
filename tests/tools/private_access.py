"""Who reads a private name, `x._name`, of something that is not its own.

A module's own are its functions and classes, and the objects of its classes. What an expression is an
object of is read from annotations, calls of classes and `isinstance`, never guessed: an object of
unknown class is another module's.
"""

import ast
from typing import NamedTuple

API = {  # private by spelling, public by documentation
    "_asdict": "NamedTuple",
    "_fields": "NamedTuple",
    "_replace": "NamedTuple",
    "_thread": "a module of the standard library",
}
GETTERS = {"getattr", "setattr", "hasattr", "delattr"}


class Access(NamedTuple):
    line: int
    text: str


def is_private(name):
    return (
        name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name != "_"
    )


def private_accesses(source, package="package"):
    """Return what a source reads that is private to others; `package` is the one it is in."""
    tree = ast.parse(source)
    reader = _Reader(tree, package)
    reader.visit(tree)
    return sorted(set(reader.found))


class _Class:
    """A class of the module: what its attributes and methods are said to be."""

    def __init__(self, node):
        self.attributes = {}  # name: an expression or an annotation that tells its class
        for part in node.body:
            if isinstance(part, ast.AnnAssign):
                self.attributes[part.target.id] = part.annotation
            elif isinstance(part, ast.FunctionDef):
                self.attributes[part.name] = part.returns
                self._assigned_to_self(part)

    def _assigned_to_self(self, method):
        """Take note of `self.x: X = ...`, `self.x = X(...)` and `self.x = x` with `x: X`."""
        arguments = {a.arg: a.annotation for a in _arguments(method)}
        for node in ast.walk(method):
            if isinstance(node, ast.AnnAssign):
                target, known = node.target, node.annotation
            elif isinstance(node, ast.Assign):
                target, known = node.targets[0], node.value
                if isinstance(known, ast.Name):
                    known = arguments.get(known.id)
            else:
                continue
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                self.attributes.setdefault(target.attr, known)


def _arguments(function):
    a = function.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]


class _Reader(ast.NodeVisitor):
    def __init__(self, tree, package):
        self.found = []
        self._package = package.split(".")
        self._classes = {
            node.name: _Class(node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
        }
        self._functions = {
            node.name: node.returns for node in tree.body if isinstance(node, ast.FunctionDef)
        }
        self._own = []  # the classes around, from the outside in
        self._variables = [{}]  # of the functions around: name, and the class it is an object of

    # What is private to others

    def visit_Import(self, node):
        for alias in node.names:
            self._check_module(node, alias.name)

    def visit_ImportFrom(self, node):
        above = self._package[: 1 - node.level or None] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            self._check_module(node, f"{base}.{alias.name}")

    def _check_module(self, node, name):
        """A name that begins with an underscore is its parent package's, and of those inside it."""
        parts = name.split(".")
        for k, part in enumerate(parts):
            if is_private(part) and part not in API and self._package[:k] != parts[:k]:
                self.found.append(Access(node.lineno, f"import of {name}"))

    def visit_Attribute(self, node):
        if is_private(node.attr) and node.attr not in API and not self._is_own(node.value):
            self.found.append(Access(node.lineno, ast.unparse(node)))
        self.generic_visit(node)

    def visit_Call(self, node):
        if ast.unparse(node.func) in GETTERS and len(node.args) > 1:
            thing, name = node.args[:2]
            private = isinstance(name, ast.Constant) and is_private(str(name.value))
            if private and name.value not in API and not self._is_own(thing):
                self.found.append(Access(node.lineno, ast.unparse(node)))
        self.generic_visit(node)

    # Whose an object is

    def _is_own(self, node):
        if isinstance(node, ast.Name) and (node.id in ("self", "cls") or node.id in self._classes):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super":
            return True
        return self._class_of(node) is not None

    def _class_of(self, node):
        """The class of the module that an expression is an object of, or None."""
        if isinstance(node, ast.Name):
            if node.id == "self" and self._own:
                return self._own[-1]
            return next((v[node.id] for v in reversed(self._variables) if node.id in v), None)
        if isinstance(node, ast.Attribute):
            return self._member(self._class_of(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self._called(node)
        return None

    def _called(self, node):
        function = node.func
        if isinstance(function, ast.Subscript):  # C[float](...)
            function = function.value
        if isinstance(function, ast.Name):
            if function.id in self._classes:
                return function.id
            if function.id == "cls" and self._own:
                return self._own[-1]
            return self._named(self._functions.get(function.id))
        if isinstance(function, ast.Attribute):
            if function.attr == "__new__" and node.args:  # object.__new__(C), super().__new__(cls)
                made = ast.unparse(node.args[0])
                return self._own[-1] if made == "cls" and self._own else self._named(node.args[0])
            owner = function.value
            if isinstance(owner, ast.Name) and (owner.id in self._classes or owner.id == "cls"):
                owner = self._own[-1] if owner.id == "cls" and self._own else owner.id
            else:
                owner = self._class_of(owner)
            return self._member(owner, function.attr)
        return None

    def _member(self, owner, name):
        """The class of an attribute's objects, or of what a method returns."""
        if owner not in self._classes:
            return None
        known = self._classes[owner].attributes.get(name)
        if isinstance(known, ast.Call):
            before, self._own = self._own, [owner]
            try:
                return self._called(known)
            finally:
                self._own = before
        return self._named(known)

    def _named(self, annotation):
        """The module's class that an annotation names: C, "C", C[...], C | None or Self."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode="eval").body
        if isinstance(annotation, ast.BinOp):
            return self._named(annotation.left) or self._named(annotation.right)
        if isinstance(annotation, ast.Subscript):
            annotation = annotation.value
        if isinstance(annotation, ast.Name):
            if annotation.id == "Self" and self._own:
                return self._own[-1]
            return annotation.id if annotation.id in self._classes else None
        return None

    # Scopes

    def visit_ClassDef(self, node):
        self._own.append(node.name)
        self.generic_visit(node)
        self._own.pop()

    def visit_FunctionDef(self, node):
        self._variables.append({})
        for argument in _arguments(node):
            self._know(argument.arg, self._named(argument.annotation))
        self.generic_visit(node)
        self._variables.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self._variables.append({argument.arg: None for argument in _arguments(node)})
        self.generic_visit(node)
        self._variables.pop()

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._know(target.id, self._class_of(node.value))
            self.visit(target)

    def visit_AnnAssign(self, node):
        if isinstance(node.target, ast.Name):
            self._know(node.target.id, self._named(node.annotation))
        self.generic_visit(node)

    def visit_If(self, node):
        """`if isinstance(x, C)`, and `if not isinstance(x, C): return ...`, tell of x."""
        for test in ast.walk(node.test):
            if isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance":
                thing, kind = test.args
                if isinstance(thing, ast.Name) and self._named(kind):
                    self._know(thing.id, self._named(kind))
        self.generic_visit(node)

    def _know(self, name, known):
        self._variables[-1][name] = known
