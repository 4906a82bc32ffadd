"""Keys that equal one wanted key: the positions of each key are found once."""

from __future__ import annotations

from dataclasses import dataclass

from tpir.backends.python.layout import Call, Code, Comprehension
from tpir.backends.python.writer import Writer
from tpir.ir.ops import Preference

_SO_FAR = {
    Preference.CLOSEST: "latest",
    Preference.FIRST: "first_so_far",
    Preference.LAST: "last_so_far",
}
_PLACES = {Preference.FIRST: "first_places", Preference.LAST: "last_places"}


@dataclass(frozen=True, eq=False)
class Keyed:
    """The keys that equal what each query wants; ``so_far``: those up to the query.

    ``keys`` is the column of keys, ``want`` the wanted key as an expression in ``x``, where ``x``
    goes through the column ``queries``; it is None where no key is wanted. ``at_index`` says that
    the keys are positions, and the wanted ones positions too, if perhaps beyond the input.
    """

    writer: Writer
    keys: str
    queries: str
    want: str
    at_index: bool = False
    so_far: bool = False

    in_key_order = True

    def counts(self) -> Code:
        """How many keys each query selects."""
        if self.at_index:
            return self._at_index("1", "0")
        if self.so_far:
            return Call(self.writer.use("counts_so_far"), (self._keys, self._wanted))
        found = f"len({self._where}.get({self.want}, ()))"
        return Comprehension("[]", found, f"for x in {self._queries}")

    def sums(self, values: str, zero: str) -> Code:
        """The sum of the values that each query selects, from left to right."""
        writer = self.writer
        if self.at_index:
            return self._at_index(f"{zero} + {values}[j]", zero)
        if self.so_far:
            arguments = (self._keys, self._wanted, values, zero)
            return Call(writer.use("sums_so_far"), arguments)
        totals = Call(writer.use("totals"), (self._keys, values, zero))
        found = writer.stored(f"totals_{self.writer.word(self.keys)}", totals)
        element = f"{found}.get({self.want}, {zero})"
        return Comprehension("[]", element, f"for x in {self._queries}")

    def means(self, values: str, default: str, zero: str) -> Code:
        """The mean of the values that each query selects; a single one stays as it is."""
        helper = self.writer.use("averages_so_far" if self.so_far else "averages_by_key")
        return Call(helper, (self._keys, self._wanted, values, default, zero))

    def singles(self, values: str, default: str) -> Code:
        """The one value that each query selects."""
        helper = self.writer.use("singles_so_far" if self.so_far else "singles_by_key")
        return Call(helper, (self._keys, self._wanted, values, default))

    def chosen(self, order: Preference, *, total: bool) -> Code:
        """The first, last or closest position; where there is none the first of all, or None."""
        nothing = "0" if total else "None"
        if self.at_index:
            return self._at_index("j", nothing)
        if self.so_far:
            helper = self.writer.use(_SO_FAR[order])
            return Call(helper, (self._keys, self._wanted, nothing))
        if order is Preference.CLOSEST:
            row = f"{self._where}.get({self.want}, {'(0,)' if total else '()'})"
            element = f"{self.writer.use('nearest')}({row}, i)"
            return Comprehension("[]", element, f"for i, x in enumerate({self._queries})")
        helper = self.writer.use(_PLACES[order])
        name = f"{order.value}_{self.writer.word(self.keys)}"
        places = self.writer.stored(name, Call(helper, (self._keys,)))
        found = f"{places}.get({self.want}{', 0' if total else ''})"
        return Comprehension("[]", found, f"for x in {self._queries}")

    def rows(self) -> Code:
        """The positions that hold the wanted key, for each query."""
        found = f"{self._where}.get({self.want}, ())"
        if not self.so_far:
            return Comprehension("[]", found, f"for x in {self._queries}")
        row = f"[j for j in {found} if j <= i]"
        return Comprehension("[]", row, f"for i, x in enumerate({self._queries})")

    def _at_index(self, found: str, nothing: str) -> Code:
        """``found``, in terms of the wanted position j, if that is there."""
        inside, beyond = ("<= i", "i + 1") if self.so_far else ("< n", "n")
        clause = f"for x in {self._queries}"
        if self.so_far:
            clause = f"for i, x in enumerate({self._queries})"
        want = self.want
        if want == "None":
            return Comprehension("[]", nothing, clause)
        if want.endswith(")") and ".get(" in want:
            want = f"{want[:-1]}, {beyond})"
        test = f"(j := {want}) {inside}" if "j" in found else f"{want} {inside}"
        return Comprehension("[]", f"{found} if {test} else {nothing}", clause)

    @property
    def _keys(self) -> str:
        return self.writer.text(self.keys)

    @property
    def _queries(self) -> str:
        return self.writer.text(self.queries)

    @property
    def _where(self) -> str:
        """The variable that holds the positions of each key."""
        code = Call(self.writer.use("places"), (self._keys,))
        return self.writer.stored(f"where_{self.writer.word(self.keys)}", code)

    @property
    def _wanted(self) -> str:
        return self._queries if self.want == "x" else f"[{self.want} for x in {self._queries}]"
