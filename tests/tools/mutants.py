"""One-token mutants of a source: operators, constants, conditions, statements and arguments."""

import ast
import difflib
import re
from typing import NamedTuple


class Mutant(NamedTuple):
    """A piece of a file, and what stands there instead."""

    path: str
    start: int  # characters
    stop: int
    text: str
    lines: tuple[int, int]  # of the statement, first and last; a test that reaches any may see it
    at_import: bool  # whether the statement runs when the module is imported

    def applied(self, source):
        return source[: self.start] + self.text + source[self.stop :]

    def diff(self, source):
        before, after = source.splitlines(), self.applied(source).splitlines()
        changes = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
        return "\n".join(f"    {line}" for line in changes)


COMPARED = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
COMPUTED = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "+"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}


class Mutator:
    """Find all one-token mutants of a source."""

    def __init__(self, path, source):
        self._path = path
        self._source = source
        lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._lines = [line.encode() for line in lines]
        self.found = []

    def mutants(self):
        self._body(ast.parse(self._source).body, at_import=True)
        return sorted(set(self.found))

    def _body(self, statements, at_import):
        for statement in statements:
            if not _is_only_for_readers(statement):
                self._statement(statement, at_import)

    def _statement(self, node, at_import):
        deeper = ("body", "orelse", "finalbody")
        inside = [
            getattr(node, name) for name in deeper if isinstance(getattr(node, name, 0), list)
        ]
        inside += [handler.body for handler in getattr(node, "handlers", ())]
        inside += [case.body for case in getattr(node, "cases", ())]
        first = min((body[0].lineno for body in inside if body), default=node.end_lineno + 1)
        self._lines_of_it = (node.lineno, max(first - 1, node.lineno))
        self._at_import = at_import
        if isinstance(node, ast.FunctionDef):
            self._at_import = True
            for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
                self._expression(default)
            self._body(node.body, at_import=False)
            return
        self._whole(node)
        for name, value in ast.iter_fields(node):
            if name not in (*deeper, "handlers", "cases", "annotation", "bases", "decorator_list"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self._expression(child)
        for body in inside:
            self._body(body, at_import)

    def _whole(self, node):
        """Mutants that take a statement away, or turn it."""
        if isinstance(node, ast.Return) and node.value is not None:
            self._replace(node, "return None")
        elif isinstance(node, (ast.If, ast.While)):
            self._replace(node.test, f"not ({self._text(node.test)})")
        elif isinstance(node, ast.Continue):
            self._replace(node, "break")
        elif isinstance(node, ast.Break):
            self._replace(node, "continue")
        elif isinstance(node, (ast.Expr, ast.AugAssign, ast.Raise, ast.Delete)) or (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], (ast.Attribute, ast.Subscript))
        ):
            self._replace(node, "pass")
        if isinstance(node, ast.AugAssign):
            self._between(node.target, node.value, *(f"{s}=" for s in COMPUTED[type(node.op)]))

    def _expression(self, root):
        for node in ast.walk(root):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for k, operator in enumerate(node.ops):
                    self._between(sides[k], sides[k + 1], *COMPARED[type(operator)])
            elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
                self._between(node.left, node.right, *COMPUTED[type(node.op)])
            elif isinstance(node, ast.BoolOp):
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    self._between(left, right, *words)
            elif isinstance(node, ast.UnaryOp):
                self._replace(node, self._text(node.operand))
            elif isinstance(node, ast.IfExp):
                self._replace(node.test, f"(not ({self._text(node.test)}))")
            elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
                self._replace(node, str(not node.value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
                for change in (-1, 1):
                    self._replace(node, repr(node.value + change))
            elif isinstance(node, ast.Call) and len(node.args) >= 2:
                first, second = node.args[:2]
                if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
                    between = self._source[self._end(first) : self._start(second)]
                    swapped = self._text(second) + between + self._text(first)
                    self._add(self._start(first), self._end(second), swapped)

    def _between(self, left, right, old, new):
        """Replace an operator, which stands between two expressions and perhaps their brackets."""
        start, stop = self._end(left), self._start(right)
        word = r"\b" if old[0].isalpha() else ""
        operator = word + r"\s+".join(map(re.escape, old.split())) + word
        found = re.search(operator, self._source[start:stop])
        if found:
            self._add(start + found.start(), start + found.end(), new)

    def _replace(self, node, text):
        self._add(self._start(node), self._end(node), text)

    def _add(self, start, stop, text):
        self.found.append(Mutant(self._path, start, stop, text, self._lines_of_it, self._at_import))

    def _text(self, node):
        return self._source[self._start(node) : self._end(node)]

    def _start(self, node):
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node):
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line, column):
        """Characters before a place; syntax trees count bytes in a line."""
        return self._starts[line - 1] + len(self._lines[line - 1][:column].decode())


def _is_only_for_readers(node):
    """Whether a statement does nothing at run time: docstrings, types and overloads."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    if isinstance(node, ast.FunctionDef):
        return any("overload" in ast.dump(decorator) for decorator in node.decorator_list)
    return isinstance(node, ast.AnnAssign) and node.value is None


def is_another_program(mutant, source):
    try:
        changed = ast.dump(ast.parse(mutant.applied(source)))
    except SyntaxError:
        return False
    return changed != ast.dump(ast.parse(source))
