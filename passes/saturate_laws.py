"""The laws of selectors, counts and sums, in the language of egglog.

``Leaf`` stands for whatever has no law, by number, and ``Sel`` for a comparison, by its place in
``COMPARISONS``. Selectors are sets of one universe: all keys, or in a causal program those up to
the query. The costs are about what a reader reads.
"""

from __future__ import annotations

from tpir.ir.expressions import BinaryOp

COMPARISONS = (
    BinaryOp.EQUAL,
    BinaryOp.NOT_EQUAL,
    BinaryOp.LESS,
    BinaryOp.GREATER_EQUAL,
    BinaryOp.GREATER,
    BinaryOp.LESS_EQUAL,
)
"""Each even one, and after it what holds where it does not."""

_TERMS = """
(datatype E
    (Leaf i64 :cost 2) (Num i64 :cost 1)
    (Sel i64 E E :cost 20) (All :cost 20) (Nothing :cost 20)
    (Not E :cost 10) (And E E :cost 10) (Or E E :cost 10)
    (Count E :cost 24) (Sum E E :cost 24) (Add E E :cost 3) (Sub E E :cost 3))
(relation disjoint (E E))
"""

_SETS = """
(rewrite (Not (Not a)) a)
(rewrite (Not (All)) (Nothing))
(rewrite (Not (Nothing)) (All))
(birewrite (Not (And a b)) (Or (Not a) (Not b)))
(birewrite (Not (Or a b)) (And (Not a) (Not b)))
(rewrite (And a b) (And b a))
(rewrite (Or a b) (Or b a))
(rewrite (And (And a b) c) (And a (And b c)))
(rewrite (Or (Or a b) c) (Or a (Or b c)))
(rewrite (And a a) a)
(rewrite (Or a a) a)
(rewrite (And a (Not a)) (Nothing))
(rewrite (Or a (Not a)) (All))
(rewrite (And a (All)) a)
(rewrite (Or a (All)) (All))
(rewrite (And a (Nothing)) (Nothing))
(rewrite (Or a (Nothing)) a)
(rewrite (And a (Or a b)) a)
(rewrite (Or a (And a b)) a)
(rewrite (Or (And a b) (And a c)) (And a (Or b c)))
(rewrite (And (Or a b) (Or a c)) (Or a (And b c)))
(rule ((disjoint a b)) ((disjoint b a)))
(rule ((= a (Not b))) ((disjoint a b)))
(rule ((= c (And a d)) (disjoint a b)) ((disjoint c b)))
(rule ((= c (And a b)) (disjoint a b)) ((union c (Nothing))))
"""

_COUNTS = """
(rewrite (Count (Nothing)) (Num 0))
(rewrite (Sub (Count (All)) (Count a)) (Count (Not a)))
(rule ((= n (Add (Count a) (Count b))) (disjoint a b)) ((union n (Count (Or a b)))))
(rewrite (Sub (Count a) (Count (And a b))) (Count (And a (Not b))))
(rewrite (Sub (Count (Or a b)) (Count b)) (Count (And a (Not b))))
(rewrite (Sub (Add (Count a) (Count b)) (Count (And a b))) (Count (Or a b)))
(rewrite (Sum (Nothing) v) (Num 0))
(rewrite (Sum a (Num 1)) (Count a))
(rewrite (Sub (Sum (All) v) (Sum a v)) (Sum (Not a) v))
(rule ((= n (Add (Sum a v) (Sum b v))) (disjoint a b)) ((union n (Sum (Or a b) v))))
(rewrite (Add (Sum a v) (Sum a w)) (Sum a (Add v w)))
(rewrite (Add a b) (Add b a))
(rewrite (Add (Add a b) c) (Add a (Add b c)))
(rewrite (Add a (Num 0)) a)
(rewrite (Sub a (Num 0)) a)
(rewrite (Sub a a) (Num 0))
(rewrite (Sub (Add a b) b) a)
(rewrite (Add (Sub a b) b) a)
(rewrite (Sub a (Sub a b)) b)
(rewrite (Sub (Sub a b) c) (Sub (Sub a c) b))
(birewrite (Sub (Sub a b) c) (Sub a (Add b c)))
(birewrite (Add (Sub a b) c) (Sub (Add a c) b))
(rewrite (Add (Num m) (Num n)) (Num (+ m n)))
(rewrite (Sub (Num m) (Num n)) (Num (- m n)))
"""


def _of_comparisons() -> str:
    """What holds of two comparisons of the same keys and queries.

    Each is a set of the three cases key < query, key == query, key > query.
    """
    cases = {"==": 0b010, "!=": 0b101, "<": 0b100, ">=": 0b011, ">": 0b001, "<=": 0b110}
    of = [cases[op.value] for op in COMPARISONS]
    names = {case: f"(Sel {k} k q)" for k, case in enumerate(of)} | {0: "(Nothing)", 0b111: "(All)"}
    laws = []
    for a in of:
        laws.append(f"(rewrite (Not {names[a]}) {names[0b111 & ~a]})")
        for b in of:
            laws.append(f"(rewrite (And {names[a]} {names[b]}) {names[a & b]})")
            laws.append(f"(rewrite (Or {names[a]} {names[b]}) {names[a | b]})")
            if not a & b:
                left, right = f"(= a {names[a]})", f"(= b {names[b]})"
                laws.append(f"(rule ({left} {right}) ((disjoint a b)))")
    return "\n".join(laws)


LAWS = "\n".join((_TERMS, _SETS, _COUNTS, _of_comparisons()))
"""The terms, and what is equal among them."""
