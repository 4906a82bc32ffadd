"""The helper functions for selectors that sort keys, and for what is made of counts and sums.

A selector that sorts keys finds for each query where its stretch of them starts and stops; see
``stretches``, ``boxes`` and ``picks``.
"""

from __future__ import annotations

_GATHER = '''
def gather(keys, values):
    """For each key the values that stand at it, in order."""
    found = {}
    for key, value in zip(keys, values):
        found.setdefault(key, []).append(value)
    return found
'''

_NEAREST_BETWEEN = '''
def nearest_between(row, i, start, stop, nothing):
    """The position of row[start:stop] nearest to i: others before i itself, ties to the left."""
    left = min(bisect_left(row, i), stop)
    right = max(bisect_right(row, i), start)
    if start < left and (right >= stop or i - row[left - 1] <= row[right] - i):
        return row[left - 1]
    if right < stop:
        return row[right]
    return i if start <= left < stop else nothing
'''

_RUNNING = '''
def running(values, zero):
    """The sums of no values, of the first, of the first two, and so on."""
    total, sums = zero, [zero]
    for value in values:
        total += value
        sums.append(total)
    return sums
'''

_RUNNING_BY_KEY = '''
def running_by_key(keys, values, zero):
    """For each key the sums of none of its values, of the first, of the first two, and so on."""
    found = {}
    for key, value in zip(keys, values):
        sums = found.setdefault(key, [zero])
        sums.append(sums[-1] + value)
    return found
'''

_BETWEEN = '''
def between(sums, start, stop):
    """The sum from a start to a stop, given the sums of the first values."""
    return sums[stop] - sums[start] if start < stop else sums[0]
'''

_RANKS = '''
def ranks(order, groups=()):
    """The rank of each position by ``order``; with groups by these first."""
    by_order = sorted(range(len(order)), key=order.__getitem__)
    if groups:
        by_order.sort(key=groups.__getitem__)
    found = [0] * len(order)
    for rank, j in enumerate(by_order):
        found[j] = rank
    return found
'''

_BEGINS = '''
def begins(keys):
    """For each key where its positions begin when those of one key stand together."""
    counts = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    found, place = {}, 0
    for key, count in counts.items():
        found[key] = place
        place += count
    return found
'''

_SUMS_IN_BOXES = '''
def sums_in_boxes(ranks, values, boxes, zero):
    """For each box (start, stop, low, high) the sum of values[start:stop] at low <= rank < high."""
    n = len(ranks)
    tree = [zero] * (n + 1)  # Fenwick's: tree[k] sums the ranks from k - (k & -k) up to k

    def below(rank):
        total = zero
        while rank:
            total += tree[rank]
            rank &= rank - 1
        return total

    asked = [[] for _ in range(n + 1)]
    for i, (start, stop, low, high) in enumerate(boxes):
        if start < stop and low < high:
            asked[start].append((i, -1))
            asked[stop].append((i, 1))
    sums = [zero] * len(boxes)
    for j in range(n + 1):
        for i, sign in asked[j]:
            sums[i] += sign * (below(boxes[i][3]) - below(boxes[i][2]))
        if j < n:
            rank = ranks[j] + 1
            while rank <= n:
                tree[rank] += values[j]
                rank += rank & -rank
    return sums
'''

_PICK_IN_BOXES = '''
def pick_in_boxes(ranks, places, boxes, prefer, nothing):
    """For each box (time, low, high) the first, last or closest place of the ranks in it.

    Those are the ranks among the first ones, so many as ``time`` says, at low <= rank < high.
    """
    n = len(ranks)
    tree = [0] * (n + 1)  # Fenwick's: tree[k] counts the ranks from k - (k & -k) up to k

    def below(rank):
        count = 0
        while rank:
            count += tree[rank]
            rank &= rank - 1
        return count

    def place_of(count):
        rank, step = 0, 1 << n.bit_length()
        while step := step >> 1:
            if rank + step <= n and tree[rank + step] < count:
                rank += step
                count -= tree[rank]
        return places[rank]

    asked = [[] for _ in range(n + 1)]
    for i, box in enumerate(boxes):
        asked[box[0]].append(i)
    chosen = [nothing] * len(boxes)
    for time in range(n + 1):
        for i in asked[time]:
            _, low, high = boxes[i]
            first, last = (below(low) + 1, below(high)) if low < high else (1, 0)
            if prefer == "closest":
                before = below(bisect_left(places, i, low, max(low, high)))
                first, last = max(first, before), min(last, before + 2)
            elif prefer == "first":
                last = min(first, last)
            else:
                first = max(first, last)
            found = [place_of(count) for count in range(first, last + 1)]
            chosen[i] = min(found, key=lambda j: (j == i, abs(j - i), j), default=nothing)
        if time < n:
            rank = ranks[time] + 1
            while rank <= n:
                tree[rank] += 1
                rank += rank & -rank
    return chosen
'''

_ONLY = '''
def only(counts, places, values, default):
    """For each query its one value, given its place; words have no mean."""
    if max(counts) > 1:
        raise Failure("mean of words")
    return [values[j] if count else default for count, j in zip(counts, places)]
'''

_MEANS = '''
def means(counts, totals, default):
    """For each query the mean of its ints; a single one stays as it is."""
    return [
        total / count if count > 1 else total if count else default
        for count, total in zip(counts, totals)
    ]
'''

_MEANS_OR_ONES = '''
def means_or_ones(counts, totals, places, values, default):
    """For each query the mean of its values; a single one, given its place, stays as it is."""
    return [
        total / count if count > 1 else values[j] if count else default
        for count, total, j in zip(counts, totals, places)
    ]
'''

_ANY_ORDER = '''
def any_order(values):
    """Whether sums of these numbers do not depend on their order: none of them rounds."""
    whole = all(x * 1048576 % 1 == 0 for x in values)  # in units of 2**-20
    return whole and sum(map(abs, values)) < 2**32
'''

_COMPARABLE = '''
def comparable(keys, queries):
    """Raise Failure unless all of these are words or all are numbers."""
    if len({isinstance(x, str) for column in (keys, queries) for x in column}) > 1:
        raise Failure("mixed types")
'''


SORTED_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "gather": (_GATHER, ()),
    "nearest_between": (_NEAREST_BETWEEN, ("bisect_left", "bisect_right")),
    "running": (_RUNNING, ()),
    "running_by_key": (_RUNNING_BY_KEY, ()),
    "between": (_BETWEEN, ()),
    "ranks": (_RANKS, ()),
    "begins": (_BEGINS, ()),
    "sums_in_boxes": (_SUMS_IN_BOXES, ()),
    "pick_in_boxes": (_PICK_IN_BOXES, ("bisect_left",)),
    "only": (_ONLY, ("Failure",)),
    "means": (_MEANS, ()),
    "means_or_ones": (_MEANS_OR_ONES, ()),
    "any_order": (_ANY_ORDER, ()),
    "comparable": (_COMPARABLE, ("Failure",)),
}
"""The text of each helper, and the helpers and imports that it needs."""
