"""Do something before any chosen instruction that frames of the package execute."""

import dis
import functools
import gc
import sys
import threading
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import NamedTuple

from places import PACKAGE

FILES = set(map(str, PACKAGE.rglob("*.py")))
ERRORS = (KeyboardInterrupt, MemoryError)
# After these CPython looks for signals; between others it never raises what a handler raises.
HEARD_AFTER = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")


class Injected(NamedTuple):
    """What became of a call in which something was done before the k-th instruction."""

    reached: bool  # whether there is a k-th instruction
    raised: bool  # whether an error came out
    after: str  # the instruction before

    @property
    def heard(self):
        """Whether a signal may be heard there."""
        return self.after.startswith(HEARD_AFTER)


def inject(act, k, call):
    """Call, and act before the k-th instruction that frames of the package execute."""
    after = ""

    def step(number, frame):
        nonlocal after
        if number == k:
            after = steps.before(frame)
            act()

    raised, steps = False, Steps(step)
    try:
        with steps:
            call()
    except ERRORS:
        raised = True
    return Injected(steps.number > k, raised, after)


def heard_points(call):
    """The numbers of the instructions before which a signal may be heard, or a thread wait."""
    found = []

    def step(number, frame):
        if steps.before(frame).startswith(HEARD_AFTER):
            found.append(number)

    with (steps := Steps(step)):
        call()
    return found


class Steps:
    """Call a function before each instruction that frames of the package execute.

    It gets the number of the instruction, and the frame.
    """

    def __init__(self, step):
        self.step = step
        self.number = 0
        self.previous = {}
        self.watch = traced(self.executed) if sys.version_info < (3, 12) else watched(self.executed)

    def __enter__(self):
        self.watch.__enter__()

    def __exit__(self, *error):
        self.previous.clear()  # what frames hold would stay in a cycle, such as an open file
        return self.watch.__exit__(*error)

    def executed(self, frame):
        number, self.number = self.number, self.number + 1
        self.step(number, frame)
        self.previous[frame] = frame.f_lasti

    def before(self, frame):
        """The name of the instruction before."""
        at = self.previous.get(frame)
        return "RESUME" if at is None else dis.opname[frame.f_code.co_code[at]]


@contextmanager
def traced(executed):
    """Call a function with a frame of the package before it executes an instruction."""

    def entered(frame, event, argument):
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return step

    def step(frame, event, argument):
        if event == "opcode":
            executed(frame)
        return step

    outer = sys.gettrace()
    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(outer)


@contextmanager
def watched(executed):
    """Do the same since Python 3.12, where a tracer misses the first call of what it traces."""
    monitoring, tool, codes = sys.monitoring, 4, codes_of_the_package()
    this = threading.get_ident()  # a tracer is of one thread, a monitor of all

    def reached(code, at):
        if threading.get_ident() == this:
            executed(sys._getframe(1))

    event = monitoring.events.INSTRUCTION
    if monitoring.get_tool(tool) is None:
        monitoring.use_tool_id(tool, __name__)
        for code in codes:  # once, for it takes a while
            monitoring.set_local_events(tool, code, event)
    monitoring.register_callback(tool, event, reached)
    try:
        yield
    finally:
        monitoring.register_callback(tool, event, None)


@functools.cache
def codes_of_the_package():
    """Everything in the package that can be executed in a frame."""
    todo = [f.__code__ for f in gc.get_objects() if isinstance(f, FunctionType)]
    found = set()
    while todo:
        code = todo.pop()
        if code.co_filename in FILES and code not in found:
            found.add(code)
            todo += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return found


def raiser(error):
    """A function that raises."""

    def act():
        raise error

    return act
