"""Problems from the eight tasks, and from files of examples."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

from tpir.errors import TpirError, counted
from tpir.files import read_text
from tpir.models.task_forms import accepted_form
from tpir.training.batch_labels import TaskTeacher
from tpir.training.examples import (
    Examples,
    Label,
    Splits,
    read_examples,
    split,
    split_by_length,
)
from tpir.training.problem import BOS, PAD, Problem, at_most
from tpir.training.tasks import Sizes, Task, get_task

DATASET_SIZE = 20_000
"""How many inputs are drawn unless another number is asked for, as in the paper."""

NO_LABEL = "-"
"""What stands in a table where a position has no label."""

NOTHING = Examples((), ())


def problem_of_task(
    name: str,
    *,
    vocab_size: int | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    dataset_size: int = DATASET_SIZE,
    seed: int = 0,
    as_reference: bool = False,
) -> Problem:
    """One of the eight tasks; sizes left out are those of the paper's smaller setting.

    Inputs are drawn as the public reference draws them: lengths evenly, repeats dropped. At most
    60 % of the space goes into the data set, and every length into each split. ``as_reference``
    does neither: its data set and its splits are those of the reference, input by input. Raises
    TpirError for an unknown name, and for sizes that no input has.
    """
    task = get_task(name)
    usual = task.defaults
    sizes = Sizes(
        usual.vocab_size if vocab_size is None else vocab_size,
        usual.min_length if min_length is None else min_length,
        usual.max_length if max_length is None else max_length,
    )
    task.check(sizes)
    made = _unsplit(task, sizes)
    size = dataset_size
    if not as_reference and made.space_size is not None:
        size = at_most(size, made.space_size)
    examples = task.generate(sizes.vocab_size, size, sizes.min_length, sizes.max_length, seed)
    split_up = split if as_reference else split_by_length
    return replace(made, splits=split_up(examples, seed=seed))


def _unsplit(task: Task, sizes: Sizes) -> Problem:
    """The problem without its data."""
    vocabulary, context = task.vocabulary(sizes.vocab_size), task.context(sizes.max_length)
    accepts = accepted_form(
        task.name, vocabulary, context, minimum=sizes.min_length, maximum=sizes.max_length
    )
    filled = task.name in ("dyck1", "dyck2")  # the form accepts what these inputs begin with, too
    return Problem(
        name=task.name,
        vocabulary=vocabulary,
        labels=task.labels(sizes),
        context=context,
        causal=task.causal,
        accepts=accepts,
        splits=Splits(NOTHING, NOTHING, NOTHING),
        teacher=task.label,
        batch_teacher=TaskTeacher(task, sizes),
        lengths=(context,) if filled else None,
        total=task.name != "induction",
        longer=TaskDrawer(task, sizes),
    )


@dataclass(frozen=True)
class TaskDrawer:
    """Draws inputs of a task of one length, whatever the sizes of the problem: see ``Longer``."""

    task: Task
    sizes: Sizes

    def __call__(self, length: int, count: int, seed: int) -> Examples:
        """At most ``count`` distinct inputs of ``length`` tokens, specials included."""
        around = 2 if self.task.closed else 1
        longest = length - self.task.unpaired_tokens
        sizes = Sizes(
            self.sizes.vocab_size, longest if self.task.in_pairs else length - around, longest
        )
        if self.task.context(longest) != length:
            return NOTHING
        return self.task.generate(sizes.vocab_size, count, sizes.min_length, sizes.max_length, seed)


def problem_of_file(
    path: Path,
    *,
    causal: bool = False,
    pooled: bool = False,
    begin: bool | None = None,
    seed: int = 0,
) -> Problem:
    """The examples of a file: JSON lines as ``read_examples`` reads them, or a table (``.csv``).

    Vocabulary and labels are those that occur, sorted behind ``<pad>``; the context is the longest
    input. ``begin`` puts ``<s>`` before each input, by default unless all begin with the same
    token: attention that finds nothing needs a position to look at. Raises TpirError, naming the
    line, for a file that does not hold examples.
    """
    read = read_table if path.suffix == ".csv" else read_examples
    return problem_of_examples(
        read(path, pooled=pooled),
        name=path.name.split(".")[0],
        causal=causal,
        pooled=pooled,
        begin=begin,
        seed=seed,
    )


def problem_of_examples(
    examples: Examples,
    *,
    name: str,
    causal: bool = False,
    pooled: bool = False,
    begin: bool | None = None,
    seed: int = 0,
) -> Problem:
    """Examples that are all there is: no teacher labels other inputs. See ``problem_of_file``."""
    words = examples.vocabulary()
    if PAD in words:
        raise TpirError(f"{name}: {PAD} is padding, and no token of an input")
    if begin is None:
        begin = BOS not in words and len({tokens[0] for tokens in examples.tokens}) > 1
    if begin:
        examples = begun(examples, pooled=pooled)
    return Problem(
        name=name,
        vocabulary=(PAD, *examples.vocabulary()),
        labels=(PAD, *(label for label in examples.label_set() if label != PAD)),
        context=max(map(len, examples.tokens)),
        causal=causal,
        accepts=None,
        splits=split_by_length(examples, seed=seed),
        pooled=pooled,
    )


def begun(examples: Examples, *, pooled: bool) -> Examples:
    """The examples with ``<s>`` before each input; it has no label."""
    labels = examples.labels if pooled else tuple((None, *row) for row in examples.labels)
    return Examples(tuple((BOS, *tokens) for tokens in examples.tokens), labels)


def read_table(path: Path, *, pooled: bool | None = False) -> Examples:
    """Read a table with the columns ``tokens`` and ``labels``, entries separated by spaces.

    ``-`` is a position without a label; other columns are passed over. With ``pooled`` a row has
    one label, with None it may. Raises TpirError, naming the line, for anything else.
    """
    tokens: list[tuple[str, ...]] = []
    labels: list[tuple[Label, ...]] = []
    reader = csv.DictReader(io.StringIO(read_text(path)))
    if not {"tokens", "labels"} <= set(reader.fieldnames or ()):
        raise TpirError(f"{path}: the first line has to name the columns tokens and labels")
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        words, answers = (row["tokens"] or "").split(), (row["labels"] or "").split()
        if not words:
            raise TpirError(f"{where}: there are no tokens")
        expected = 1 if pooled else len(words)
        if len(answers) != expected and not (pooled is None and len(answers) == 1):
            raise TpirError(f"{where}: {counted(len(answers), 'label')}, where {expected} belong")
        tokens.append(tuple(words))
        labels.append(tuple(None if answer == NO_LABEL else answer for answer in answers))
    if not tokens:
        raise TpirError(f"{path} holds no examples")
    return Examples(tuple(tokens), tuple(labels))
