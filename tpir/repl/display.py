"""What the prompt shows of what a statement named, line by line as the original RASP prints it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tpir.ir.values import Value
from tpir.repl.words import (
    SEQUENCE,
    aligned_lines,
    applied_lines,
    holds_more_than_atoms,
    matrix_lines,
    matrix_of,
    plain,
    quoted,
    sequence_words,
)
from tpir.text.evaluate import Evaluator
from tpir.text.learned import NamedTable
from tpir.text.open import OpenNode
from tpir.text.problems import Heading, RaspError
from tpir.text.scope import Applied, Builtin, Function, Thing, describe_thing
from tpir.text.world import World


@dataclass
class Settings:
    """What the commands of the prompt set: examples, and what is shown of them."""

    sequence_example: Thing = "hello"
    selector_example: Thing = "hello"
    show_sequences: bool = True
    show_selectors: bool = True
    verbose: bool = False

    @property
    def tokens(self) -> tuple[Value, ...]:
        """The tokens that sequences are shown on, and nodes tried on."""
        return Evaluator.input_of(self.sequence_example)

    @property
    def selector_tokens(self) -> tuple[Value, ...]:
        """The tokens that selectors are shown on."""
        return Evaluator.input_of(self.selector_example)


@dataclass(frozen=True)
class Display:
    """Shows things under the settings. The lines of a display end where an example fails."""

    settings: Settings
    world: World

    def applied(self, applied: Applied) -> Iterator[str]:
        """A sequence or a selector on the input it was applied to."""
        yield from applied_lines(applied, verbose=self.settings.verbose)

    def example(self, subset: str | None) -> Iterator[str]:
        """The running examples, or one of the two."""
        if subset in (None, SEQUENCE):
            yield f"\t{SEQUENCE} example: {quoted(self.settings.sequence_example)}"
        if subset in (None, "selector"):
            yield f"\tselector example: {quoted(self.settings.selector_example)}"

    def named(self, name: str | None, thing: Thing, tabs: int = 0, key: str = "") -> Iterator[str]:
        """A thing with its name; raises RaspError where it fails on the running example.

        Inside lists and dictionaries it is indented by ``tabs`` and stands behind its ``key``.
        """
        pref = "\t" * tabs
        if isinstance(thing, OpenNode):
            shown = name or thing.title
            what = "selector" if thing.is_selector else SEQUENCE
            yield f"{pref} {key}    {what}: {shown}"
            part = self._selector if thing.is_selector else self._sequence
            yield from part(shown, thing, pref)
        elif isinstance(thing, list):
            yield from self._items(name, list(enumerate(thing)), thing, tabs, key)
        elif isinstance(thing, dict):
            yield from self._items(name, list(thing.items()), thing, tabs, key)
        elif isinstance(thing, Function | Builtin | NamedTable):
            yield f"{pref} {key}    {describe_thing(thing)}"
        else:
            named = "" if name is None else f"{name} = "
            yield f"{pref}    value: {named} {quoted(thing)}"

    def _sequence(self, name: str, node: OpenNode, pref: str) -> Iterator[str]:
        settings = self.settings
        if not settings.show_sequences:
            return
        values = self._on(node, settings.tokens, settings.sequence_example).values
        shown = f"{name}({quoted(settings.sequence_example)}) ="
        if settings.verbose:
            # The original shows the example of selectors here.
            tokens = settings.selector_tokens
            yield from aligned_lines(tokens, values, pref, f"{pref} \t Example:", shown)
        else:
            yield f"{pref} \t Example: {shown} {sequence_words(values)}"

    def _selector(self, _: str, node: OpenNode, pref: str) -> Iterator[str]:
        settings = self.settings
        if not settings.show_selectors:
            return
        yield f"{pref} \t Example:"
        tokens = settings.selector_tokens
        applied = self._on(node, tokens, settings.selector_example)
        yield from matrix_lines(tokens, matrix_of(applied), pref)

    def _on(self, node: OpenNode, tokens: tuple[Value, ...], example: Thing) -> Applied:
        if not tokens:
            raise no_input(example)
        return self.world.apply(node, tokens)

    def _items(
        self,
        name: str | None,
        items: list[tuple[Value, Thing]],
        whole: list[Thing] | dict[Value, Thing],
        tabs: int,
        key: str,
    ) -> Iterator[str]:
        """A list or a dictionary: on one line, or with a line for each item."""
        is_list = isinstance(whole, list)
        pref = "\t" * tabs
        named = f"   {'list' if is_list else 'dict'}: {'' if name is None else f'{name} = '}"
        if not holds_more_than_atoms(whole):
            yield f"{pref} {key} {named}{plain(whole)}"
            return
        brackets = "[]" if is_list else "{}"
        yield f"{pref} {key} {named}{pref} {brackets[0]}"
        for place, item in items:
            if is_list:
                yield from self.named(None, item, tabs + 2)
            else:
                yield from self.named(None, item, tabs + 3, f"{quoted(place)} : ")
        yield f"{pref}{' ' * (len(named) + 2)}{brackets[1]}"


def no_input(example: Thing) -> RaspError:
    """The error of an example without tokens."""
    said = f"RASP sequences/selectors expect non-empty iterables, got: {quoted(example)}"
    return RaspError("the example has no tokens", said=said, heading=Heading.IGNORED)
