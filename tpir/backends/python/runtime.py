"""The helper functions that emitted modules hold: each is written out only where it is used.

Those for selectors are in ``runtime_selectors`` and ``runtime_sorted``.
"""

from __future__ import annotations

from collections.abc import Iterable

from tpir.backends.python.runtime_selectors import SELECTOR_SOURCES
from tpir.backends.python.runtime_sorted import SORTED_SOURCES

_FAILURE = '''
class Failure(Exception):
    """The program has no result for this input; the message says why."""
'''

_TYPED = '''
def typed(value):
    """The value with its type: 1, 1.0 and True are three values."""
    return type(value).__name__, value
'''

_CHECK = '''
def check(tokens):
    """Raise ValueError unless this is an input that the program takes."""
    if not 1 <= len(tokens) <= CONTEXT:
        raise ValueError(f"{len(tokens)} tokens, but the program takes 1 to {CONTEXT}")
    if not KNOWN.issuperset(tokens):
        place = next(i for i, token in enumerate(tokens) if token not in KNOWN)
        raise ValueError(f"token {tokens[place]!r} at position {place} is not in VOCABULARY")
'''

_CHECK_TYPED = '''
def check(tokens):
    """Raise ValueError unless this is an input that the program takes."""
    if not 1 <= len(tokens) <= CONTEXT:
        raise ValueError(f"{len(tokens)} tokens, but the program takes 1 to {CONTEXT}")
    for place, token in enumerate(tokens):
        if typed(token) not in KNOWN:
            raise ValueError(f"token {token!r} at position {place} is not in VOCABULARY")
'''

_WEIGHTS = '''
def weights(*numbers):
    """A row of float32 weights: the decimals are short, and rounded to float32 they are exact."""
    row = []
    for word in " ".join(numbers).split():
        number = float(word)
        scaled = number * 536870913.0  # 2**29 + 1: what follows keeps the upper 24 bits
        row.append(scaled - (scaled - number))
    return tuple(row)
'''

_STEPS = '''
def steps(*runs):
    """A tuple of values, each repeated: steps((7, 2), (3, 1)) is (7, 7, 3)."""
    return tuple(value for value, count in runs for _ in range(count))
'''

_ADD_UP = '''
def add_up(rows):
    """The sum of rows of numbers, strictly from left to right."""
    total = rows[0]
    for row in rows[1:]:
        total = [a + b for a, b in zip(total, row)]
    return total
'''

_UNIFORM = '''
def uniform(values):
    """The values, which must be words all or none."""
    if len({isinstance(x, str) for x in values}) > 1:
        raise Failure("mixed types")
    return values
'''

_ROUNDED = '''
def rounded(x):
    """x rounded to an int, halves to the even one."""
    if isinstance(x, str):
        raise Failure("mixed types")
    x = round(x)
    if abs(x) > 2**53:
        raise Failure("number out of range")
    return x
'''

_TO_INT = '''
def to_int(x):
    """The int that x is or spells."""
    try:
        x = int(x)
    except ValueError:
        raise Failure("no number") from None
    if abs(x) > 2**53:
        raise Failure("number out of range")
    return x
'''

_TO_FLOAT = '''
def to_float(x):
    """The float that x is or spells."""
    try:
        x = float(x)
    except ValueError:
        raise Failure("no number") from None
    if x - x != 0:
        raise Failure("number out of range")
    return x
'''

_JOIN = '''
def join(x, y):
    """Two words as one, or the sum of two numbers."""
    if isinstance(x, str) and isinstance(y, str):
        if len(x) + len(y) > 65536:
            raise Failure("word too long")
        return x + y
    return add(x, y)
'''

_REPEAT = '''
def repeat(x, y):
    """A word so many times, or the product of two numbers."""
    if isinstance(x, str) is isinstance(y, str):
        return multiply(x, y)
    if not isinstance(x, str):
        x, y = y, x
    if not isinstance(y, int):
        raise Failure("mixed types")
    if len(x) * y > 65536:
        raise Failure("word too long")
    return x * y
'''

_ENTRY = '''
def entry(table, key):
    """What a dictionary holds for a key."""
    if key not in table:
        raise Failure("no such entry")
    return table[key]
'''

_ITEM = '''
def item(values, index):
    """The value at an index; negative ones count from the end."""
    if not isinstance(index, int):
        raise Failure("mixed types")
    if not -len(values) <= index < len(values):
        raise Failure("no such entry")
    return values[index]
'''

_NUMBER = '''
def number(x):
    """x, which must be a number."""
    if isinstance(x, str):
        raise Failure("mixed types")
    return x
'''

_FINITE = '''
def finite(numbers):
    """The numbers, none of which has left the range of floats."""
    if any(x - x != 0 for x in numbers):
        raise Failure("number out of range")
    return numbers
'''

_UNWORDED = '''
def unworded(numbers):
    """The numbers: no words, and none has left the range of floats."""
    for x in numbers:
        if isinstance(x, str):
            raise Failure("mixed types")
        if x - x != 0:
            raise Failure("number out of range")
    return numbers
'''

_ALIKE = '''
def alike(x, y):
    """Raise Failure unless both are words or both are numbers."""
    if isinstance(x, str) != isinstance(y, str):
        raise Failure("mixed types")
'''


def _ordering(name: str, sign: str) -> str:
    return f'''
def {name}(x, y):
    """x {sign} y."""
    alike(x, y)
    return x {sign} y
'''


def _arithmetic(name: str, text: str, guard: str = "") -> str:
    return f'''
def {name}(x, y):
    """{text}, a finite real number; ints within 2**53."""
    if isinstance(x, str) or isinstance(y, str):
        raise Failure("mixed types")
{guard}    try:
        result = {text}
    except ZeroDivisionError:
        raise Failure("division by zero") from None
    except OverflowError:
        raise Failure("number out of range") from None
    if isinstance(result, complex) or result - result != 0:
        raise Failure("number out of range")
    if isinstance(result, int) and abs(result) > 2**53:
        raise Failure("number out of range")
    return result
'''


_LARGE_POWER = """\
    if isinstance(x, int) and isinstance(y, int) and abs(x) > 1 and y > 53:
        raise Failure("number out of range")
"""


_SOURCES = {
    "Failure": (_FAILURE, ()),
    "typed": (_TYPED, ()),
    "check": (_CHECK, ()),
    "check_typed": (_CHECK_TYPED, ("typed",)),
    **SELECTOR_SOURCES,
    **SORTED_SOURCES,
    "weights": (_WEIGHTS, ()),
    "steps": (_STEPS, ()),
    "add_up": (_ADD_UP, ()),
    "uniform": (_UNIFORM, ("Failure",)),
    "rounded": (_ROUNDED, ("Failure",)),
    "to_int": (_TO_INT, ("Failure",)),
    "to_float": (_TO_FLOAT, ("Failure",)),
    "entry": (_ENTRY, ("Failure",)),
    "item": (_ITEM, ("Failure",)),
    "number": (_NUMBER, ("Failure",)),
    "finite": (_FINITE, ("Failure",)),
    "unworded": (_UNWORDED, ("Failure",)),
    "alike": (_ALIKE, ("Failure",)),
    "less": (_ordering("less", "<"), ("alike",)),
    "at_most": (_ordering("at_most", "<="), ("alike",)),
    "greater": (_ordering("greater", ">"), ("alike",)),
    "at_least": (_ordering("at_least", ">="), ("alike",)),
    "add": (_arithmetic("add", "x + y"), ("Failure",)),
    "subtract": (_arithmetic("subtract", "x - y"), ("Failure",)),
    "multiply": (_arithmetic("multiply", "x * y"), ("Failure",)),
    "join": (_JOIN, ("add", "Failure")),
    "repeat": (_REPEAT, ("multiply", "Failure")),
    "divide": (_arithmetic("divide", "x / y"), ("Failure",)),
    "modulo": (_arithmetic("modulo", "x % y"), ("Failure",)),
    "power": (_arithmetic("power", "x**y", _LARGE_POWER), ("Failure",)),
}

HELPERS = frozenset(_SOURCES)
"""The names of all helpers."""

IMPORTED = frozenset({"bisect_left", "bisect_right"})
"""What helpers and statements may take from the module ``bisect``."""


def sources(wanted: Iterable[str]) -> list[str]:
    """The text of the wanted helpers and of what they need, in a fixed order."""
    needed = _needed(wanted)
    return [text.strip("\n") for name, (text, _) in _SOURCES.items() if name in needed]


def imported(wanted: Iterable[str]) -> list[str]:
    """The names from ``bisect`` that are wanted, or that the wanted helpers need."""
    return sorted(IMPORTED & _needed(wanted))


def _needed(wanted: Iterable[str]) -> set[str]:
    needed: set[str] = set()
    stack = list(wanted)
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack.extend(() if name in IMPORTED else _SOURCES[name][1])
    return needed
