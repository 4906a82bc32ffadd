"""The helper functions for selectors that emitted modules hold, each only where it is used.

They speak of *columns* (one value for each position) and of *rows* (for each query position, the
positions of the keys it selects, ascending).
"""

from __future__ import annotations

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

_FIRST_PLACES = '''
def first_places(keys):
    """For each key the first position that holds it."""
    return dict(zip(reversed(keys), reversed(range(len(keys)))))
'''

_LAST_PLACES = '''
def last_places(keys):
    """For each key the last position that holds it."""
    return dict(zip(keys, range(len(keys))))
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

_AVERAGES_BY_KEY = '''
def averages_by_key(keys, wanted, values, default, zero):
    """For each wanted key the mean of the values that stand at it; one stays as it is."""
    totals, counts = {}, {}
    for key, value in zip(keys, values):
        totals[key] = totals.get(key, zero) + value
        counts[key] = counts.get(key, 0) + 1
    found = dict(zip(keys, values))
    found.update((key, totals[key] / count) for key, count in counts.items() if count > 1)
    return [found.get(want, default) for want in wanted]
'''

_SINGLES_SO_FAR = '''
def singles_so_far(keys, wanted, values, default):
    """For each position the one value up to it at the wanted key; words have no mean."""
    found, seen = [], {}
    for key, want, value in zip(keys, wanted, values):
        seen[key] = (value,) if key not in seen else None
        one = seen.get(want, (default,))
        if one is None:
            raise Failure("mean of words")
        found.append(one[0])
    return found
'''

_SINGLES_BY_KEY = '''
def singles_by_key(keys, wanted, values, default):
    """For each wanted key the one value that stands at it; words have no mean."""
    found = dict(zip(keys, values))
    if len(found) < len(keys):
        counts = {}
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
        if any(counts.get(want, 0) > 1 for want in wanted):
            raise Failure("mean of words")
    return [found.get(want, default) for want in wanted]
'''

_TOTALS = '''
def totals(keys, values, zero):
    """For each key the sum of the values that stand at it, from left to right."""
    found = {}
    for key, value in zip(keys, values):
        found[key] = found.get(key, zero) + value
    return found
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


SELECTOR_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "places": (_PLACES, ()),
    "first_places": (_FIRST_PLACES, ()),
    "last_places": (_LAST_PLACES, ()),
    "nearest": (_NEAREST, ()),
    "latest": (_LATEST, ()),
    "last_so_far": (_LAST_SO_FAR, ()),
    "first_so_far": (_FIRST_SO_FAR, ()),
    "counts_so_far": (_COUNTS_SO_FAR, ()),
    "sums_so_far": (_SUMS_SO_FAR, ()),
    "averages_so_far": (_AVERAGES_SO_FAR, ()),
    "averages_by_key": (_AVERAGES_BY_KEY, ()),
    "singles_by_key": (_SINGLES_BY_KEY, ("Failure",)),
    "singles_so_far": (_SINGLES_SO_FAR, ("Failure",)),
    "totals": (_TOTALS, ()),
    "matching": (_MATCHING, ()),
    "matching_so_far": (_MATCHING_SO_FAR, ()),
    "sums": (_SUMS, ()),
    "averages": (_AVERAGES, ()),
    "singles": (_SINGLES, ("Failure",)),
    "best": (_BEST, ()),
    "best_so_far": (_BEST_SO_FAR, ()),
}
"""The text of each helper, and the helpers and imports that it needs."""
