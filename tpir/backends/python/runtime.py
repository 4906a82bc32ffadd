"""The helper functions that emitted modules hold: each is written out only where it is used.

They speak of *columns* (one value for each position) and of *rows* (for each query position, the
positions of the keys it selects, ascending).
"""

from __future__ import annotations

from collections.abc import Iterable

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

_PLACES = '''
def places(keys):
    """For each key the positions that hold it, ascending."""
    where = {}
    for i, key in enumerate(keys):
        if key in where:
            where[key].append(i)
        else:
            where[key] = [i]
    return where
'''

_NEAREST = '''
def nearest(row, i):
    """The position nearest to i: others before i itself, of two at one distance the left."""
    if len(row) < 2:
        return row[0] if row else None
    if row[-1] < i:
        return row[-1]
    low, high = 0, len(row) - 1
    while low < high:  # find the first position that is not left of i
        middle = (low + high) // 2
        if row[middle] < i:
            low = middle + 1
        else:
            high = middle
    right = low + 1 if row[low] == i else low
    if low == 0:
        return row[right]
    if right == len(row) or i - row[low - 1] <= row[right] - i:
        return row[low - 1]
    return row[right]
'''

_LATEST = '''
def latest(keys, wanted, otherwise):
    """For each position the last one before it that holds the wanted key, else itself."""
    chosen, seen = [], {}
    for i, (key, want) in enumerate(zip(keys, wanted)):
        chosen.append(seen[want] if want in seen else i if key == want else otherwise)
        seen[key] = i
    return chosen
'''

_LAST_SO_FAR = '''
def last_so_far(keys, wanted, otherwise):
    """For each position the last one up to it that holds the wanted key."""
    chosen, seen = [], {}
    for i, (key, want) in enumerate(zip(keys, wanted)):
        seen[key] = i
        chosen.append(seen.get(want, otherwise))
    return chosen
'''

_FIRST_SO_FAR = '''
def first_so_far(keys, wanted, otherwise):
    """For each position the first one up to it that holds the wanted key."""
    chosen, seen = [], {}
    for i, (key, want) in enumerate(zip(keys, wanted)):
        seen.setdefault(key, i)
        chosen.append(seen.get(want, otherwise))
    return chosen
'''

_COUNTS_SO_FAR = '''
def counts_so_far(keys, wanted):
    """For each position how many up to it hold the wanted key."""
    counts, seen = [], {}
    for key, want in zip(keys, wanted):
        seen[key] = seen.get(key, 0) + 1
        counts.append(seen.get(want, 0))
    return counts
'''

_SUMS_SO_FAR = '''
def sums_so_far(keys, wanted, values, zero):
    """For each position the sum of the values up to it that stand at the wanted key."""
    sums, seen = [], {}
    for key, want, value in zip(keys, wanted, values):
        seen[key] = seen.get(key, zero) + value
        sums.append(seen.get(want, zero))
    return sums
'''

_AVERAGES_SO_FAR = '''
def averages_so_far(keys, wanted, values, default, zero):
    """For each position the mean of the values up to it at the wanted key; one stays as it is."""
    means, seen = [], {}
    for key, want, value in zip(keys, wanted, values):
        total, count, _ = seen.get(key, (zero, 0, None))
        seen[key] = (total + value, count + 1, value)
        total, count, only = seen.get(want, (zero, 0, None))
        means.append(total / count if count > 1 else only if count else default)
    return means
'''

_MATCHING = '''
def matching(keys, queries, holds):
    """Rows: for each query the positions of the keys that match it."""
    known = {}
    for query in queries:
        if query not in known:
            known[query] = [j for j, key in enumerate(keys) if holds(key, query)]
    return [known[query] for query in queries]
'''

_MATCHING_SO_FAR = '''
def matching_so_far(keys, queries, holds):
    """Rows: for each query the positions, up to its own, of the keys that match it."""
    return [[j for j in range(i + 1) if holds(keys[j], query)] for i, query in enumerate(queries)]
'''

_SUMS = '''
def sums(rows, values, zero):
    """For each row the sum of its values, from left to right; equal rows are summed once."""
    known = {}
    for row in rows:
        if id(row) not in known:
            total = zero
            for j in row:
                total += values[j]
            known[id(row)] = total
    return [known[id(row)] for row in rows]
'''

_AVERAGES = '''
def averages(rows, values, default, zero):
    """For each row the mean of its values; a single one stays as it is."""
    known = {}
    for row in rows:
        if id(row) not in known:
            total = zero
            for j in row:
                total += values[j]
            count = len(row)
            known[id(row)] = total / count if count > 1 else values[row[0]] if row else default
    return [known[id(row)] for row in rows]
'''

_SINGLES = '''
def singles(rows, values, default):
    """For each row its one value; words have no mean."""
    if any(len(row) > 1 for row in rows):
        raise Failure("mean of words")
    return [values[row[0]] if row else default for row in rows]
'''

_BEST = '''
def best(scores, keys, queries):
    """For each query the first position of the key with the highest score."""
    first = {}
    for j, key in enumerate(keys):
        first.setdefault(key, j)
    chosen = {query: first[max(first, key=scores[query].get)] for query in set(queries)}
    return [chosen[query] for query in queries]
'''

_BEST_SO_FAR = '''
def best_so_far(scores, keys, queries):
    """For each query the first position, up to its own, of the key with the highest score."""
    chosen, first = [], {}
    for i, (key, query) in enumerate(zip(keys, queries)):
        first.setdefault(key, i)
        chosen.append(first[max(first, key=scores[query].get)])
    return chosen
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

_TOTALS = '''
def totals(keys, values, zero):
    """For each key the sum of the values that stand at it, from left to right."""
    found = {}
    for key, value in zip(keys, values):
        found[key] = found.get(key, zero) + value
    return found
'''

_TRUTH = '''
def truth(x):
    """x, which must be a truth value."""
    if x is True or x is False:
        return x
    raise Failure("mixed types")
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
    "places": (_PLACES, ()),
    "nearest": (_NEAREST, ()),
    "latest": (_LATEST, ()),
    "last_so_far": (_LAST_SO_FAR, ()),
    "first_so_far": (_FIRST_SO_FAR, ()),
    "counts_so_far": (_COUNTS_SO_FAR, ()),
    "sums_so_far": (_SUMS_SO_FAR, ()),
    "averages_so_far": (_AVERAGES_SO_FAR, ()),
    "matching": (_MATCHING, ()),
    "matching_so_far": (_MATCHING_SO_FAR, ()),
    "totals": (_TOTALS, ()),
    "sums": (_SUMS, ()),
    "averages": (_AVERAGES, ()),
    "singles": (_SINGLES, ("Failure",)),
    "best": (_BEST, ()),
    "best_so_far": (_BEST_SO_FAR, ()),
    "weights": (_WEIGHTS, ()),
    "steps": (_STEPS, ()),
    "add_up": (_ADD_UP, ()),
    "truth": (_TRUTH, ("Failure",)),
    "number": (_NUMBER, ("Failure",)),
    "finite": (_FINITE, ("Failure",)),
    "alike": (_ALIKE, ("Failure",)),
    "less": (_ordering("less", "<"), ("alike",)),
    "at_most": (_ordering("at_most", "<="), ("alike",)),
    "greater": (_ordering("greater", ">"), ("alike",)),
    "at_least": (_ordering("at_least", ">="), ("alike",)),
    "add": (_arithmetic("add", "x + y"), ("Failure",)),
    "subtract": (_arithmetic("subtract", "x - y"), ("Failure",)),
    "multiply": (_arithmetic("multiply", "x * y"), ("Failure",)),
    "divide": (_arithmetic("divide", "x / y"), ("Failure",)),
    "modulo": (_arithmetic("modulo", "x % y"), ("Failure",)),
    "power": (_arithmetic("power", "x**y", _LARGE_POWER), ("Failure",)),
}

HELPERS = frozenset(_SOURCES)
"""The names of all helpers."""


def sources(wanted: Iterable[str]) -> list[str]:
    """The text of the wanted helpers and of what they need, in a fixed order."""
    needed: set[str] = set()
    stack = list(wanted)
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack.extend(_SOURCES[name][1])
    return [text.strip("\n") for name, (text, _) in _SOURCES.items() if name in needed]
