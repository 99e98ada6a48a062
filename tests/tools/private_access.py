"""Who reads a private name, `x._name`, of something that is not its own.

A module's own are its functions and classes, and the objects of its classes. What an expression is
an object of is read from annotations, calls of classes and `isinstance`, never guessed: an object
of unknown class is another module's.
"""

import ast
from typing import NamedTuple

GETTERS = {"getattr", "setattr", "hasattr", "delattr"}


class Access(NamedTuple):
    line: int
    name: str
    text: str


def is_private(name):
    is_dunder = name.startswith("__") and name.endswith("__")
    return name.startswith("_") and name != "_" and not is_dunder


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
        self._variables = [{}]  # of the functions around: a name, and what it is, as an annotation

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
            if is_private(part) and self._package[:k] != parts[:k]:
                self.found.append(Access(node.lineno, part, f"import of {name}"))

    def visit_Attribute(self, node):
        if is_private(node.attr) and not self._is_own(node.value):
            self.found.append(Access(node.lineno, node.attr, ast.unparse(node)))
        self.generic_visit(node)

    def visit_Call(self, node):
        function = ast.unparse(node.func)
        if function in GETTERS and len(node.args) > 1:
            thing, name = node.args[:2]
            private = isinstance(name, ast.Constant) and is_private(str(name.value))
            if private and not self._is_own(thing):
                self.found.append(Access(node.lineno, name.value, ast.unparse(node)))
        if function == "isinstance" and self._named(node.args[1]):  # from here on
            self._know(*node.args)
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
        return self._named(self._type_of(node))

    def _type_of(self, node):
        """What an expression is said to be, as an annotation, or None."""
        if isinstance(node, ast.Name):
            if node.id == "self":
                return self._this()
            return next((v[node.id] for v in reversed(self._variables) if node.id in v), None)
        if isinstance(node, ast.Attribute):
            return self._member(self._class_of(node.value), node.attr)
        if isinstance(node, ast.Subscript):
            return self._element(node.value)
        return self._returned(node) if isinstance(node, ast.Call) else None

    def _this(self):
        return ast.Name(self._own[-1]) if self._own else None

    def _element(self, node):
        """What is in a list, or comes out of an iterable: `C` of `list[C]`."""
        known = self._type_of(node)
        return known.slice if isinstance(known, ast.Subscript) else None

    def _returned(self, call):
        function = call.func
        if isinstance(function, ast.Subscript):  # C[float](...)
            function = function.value
        if isinstance(function, ast.Name):
            if function.id in self._classes:
                return function
            return self._this() if function.id == "cls" else self._functions.get(function.id)
        if not isinstance(function, ast.Attribute):
            return None
        owner = function.value
        if function.attr == "__new__" and call.args:  # object.__new__(C), super().__new__(cls)
            made = call.args[0]
            return self._this() if ast.unparse(made) == "cls" else made
        is_class = isinstance(owner, ast.Name) and owner.id in {"cls", *self._classes}
        known = self._named(owner) if is_class else self._class_of(owner)
        return self._member(known, function.attr)

    def _member(self, owner, name):
        """What an attribute is, or a method returns."""
        known = self._classes[owner].attributes.get(name) if owner else None
        return self._returned(known) if isinstance(known, ast.Call) else known

    def _named(self, annotation):
        """The module's class that an annotation names: C, "C", C[...], C | None or Self."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode="eval").body
        if isinstance(annotation, ast.BinOp):
            return self._named(annotation.left) or self._named(annotation.right)
        if isinstance(annotation, ast.Subscript):
            annotation = annotation.value
        name = getattr(annotation, "id", None)
        if name in ("Self", "cls") and self._own:
            return self._own[-1]
        return name if name in self._classes else None

    # Scopes

    def visit_ClassDef(self, node):
        self._own.append(node.name)
        self.generic_visit(node)
        self._own.pop()

    def visit_FunctionDef(self, node):
        self._variables.append({})
        for argument in _arguments(node):
            self._know(argument, argument.annotation)
        self.generic_visit(node)
        self._variables.pop()

    def visit_Lambda(self, node):
        self._variables.append(dict.fromkeys(argument.arg for argument in _arguments(node)))
        self.generic_visit(node)
        self._variables.pop()

    def visit_Assign(self, node):
        for target in node.targets:
            self._know(target, self._type_of(node.value))
        self.generic_visit(node)

    def visit_AnnAssign(self, node):
        self._know(node.target, node.annotation)
        self.generic_visit(node)

    def visit_For(self, node):
        self._know(node.target, self._element(node.iter))
        self.generic_visit(node)

    def visit_ListComp(self, node):
        self._variables.append({})
        for part in node.generators:
            self._know(part.target, self._element(part.iter))
        self.generic_visit(node)
        self._variables.pop()

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp  # noqa: N815

    def _know(self, target, annotation):
        """Take note of what a variable is from here on; of other targets nothing is known."""
        if isinstance(target, ast.arg):
            self._variables[-1][target.arg] = annotation
        elif isinstance(target, ast.Name):
            self._variables[-1][target.id] = annotation
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self._know(part, None)
