"""What a standard Transformer answers: inputs to logits, logits to values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.ir.values import Value, show_value, value_key
from tpir.models.stored_transformer import Output, TransformerCheckpoint
from tpir.models.transformer_sizes import sizes_of

_CELLS = 2**24
"""Numbers in the largest array of one forward pass; longer batches are run in parts."""


class Predictor:
    """A checkpoint that runs, with its token of beginning put before every input.

    ``dtype`` is the type of its numbers; None: as they are stored.
    """

    def __init__(self, checkpoint: TransformerCheckpoint, dtype: torch.dtype | None = None) -> None:
        self.checkpoint = checkpoint
        self.dtype = dtype or checkpoint.state["embed.W_E"].dtype
        self._model = checkpoint.model(self.dtype)
        self._sizes = sizes_of(checkpoint.state)

    @torch.no_grad()
    def logits(self, ids: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits [batch, position, outputs] of vocabulary indices [batch, position].

        ``present`` [batch, position] is false at padding, whose logits mean nothing.
        """
        if self.checkpoint.bos:
            ids = _with_first(ids, len(self.checkpoint.vocabulary))
            present = None if present is None else _with_first(present, True)
        step = self._inputs_at_once(ids.shape[1])
        parts = [
            self._model(ids[k : k + step], None if present is None else present[k : k + step])
            for k in range(0, len(ids), step)
        ]
        return torch.cat(parts)[:, int(self.checkpoint.bos) :]

    def answers(self, logits: Tensor) -> list[Tensor]:
        """For each output its answers [batch, position], or [batch, 1] where it is pooled.

        An answer is the place of the best logit among the output's values, of equal ones the first;
        or the number, where it has no values.
        """
        outputs = self.checkpoint.outputs
        widths = [output.width for output in outputs]
        found = []
        for output, own in zip(outputs, torch.split(logits, widths, -1), strict=True):
            read = own[:, :1] if output.pooled else own
            found.append(read[..., 0] if output.values is None else read.argmax(-1))
        return found

    def _inputs_at_once(self, length: int) -> int:
        widest = max(self._sizes.d_model, self._sizes.logits)
        for block in self._sizes.blocks:
            widest = max(widest, block.hidden, block.heads * max(length, block.d_head))
        return max(1, _CELLS // (length * widest))


def predict(
    checkpoint: TransformerCheckpoint,
    sequences: Sequence[Sequence[Value]],
    *,
    dtype: torch.dtype | None = None,
    batch_size: int = 4096,
) -> list[dict[str, tuple[Value, ...]]]:
    """The outputs on each sequence, by name: a value for each position, or one if pooled.

    Sequences of different lengths run in one batch, padded at the end; nothing attends to padding.
    ``dtype``: see Predictor. Raises TpirError for a sequence that is empty, too long, or holds a
    token outside the vocabulary.
    """
    predictor = Predictor(checkpoint, dtype)
    rows = _encoded(checkpoint, sequences)
    found: list[dict[str, tuple[Value, ...]]] = []
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        answers = predictor.answers(predictor.logits(*_padded(part)))
        for k, row in enumerate(part):
            pairs = zip(checkpoint.outputs, answers, strict=True)
            found.append({o.name: _values(o, a[k, : len(row)]) for o, a in pairs})
    return found


def model_inputs(
    checkpoint: TransformerCheckpoint, sequences: Sequence[Sequence[Value]]
) -> tuple[Tensor, Tensor]:
    """What the module itself takes: token indices, and which of them are there [batch, position].

    The token of beginning comes first where there is one; padding is at the end. Raises TpirError
    as ``predict`` does.
    """
    ids, present = _padded(_encoded(checkpoint, sequences))
    if not checkpoint.bos:
        return ids, present
    return _with_first(ids, len(checkpoint.vocabulary)), _with_first(present, True)


def _with_first(row: Tensor, first: int) -> Tensor:
    return torch.nn.functional.pad(row, (1, 0), value=first)


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of several lengths as one array, and where it holds them."""
    ids = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(ids.shape[1]) < lengths[:, None]


def _values(output: Output, answers: Tensor) -> tuple[Value, ...]:
    if output.values is None:
        return tuple(answers.tolist())
    return tuple(output.values[place] for place in answers.tolist())


def _encoded(
    checkpoint: TransformerCheckpoint, sequences: Sequence[Sequence[Value]]
) -> list[Tensor]:
    codes = {value_key(token): k for k, token in enumerate(checkpoint.vocabulary)}
    rows = []
    for number, tokens in enumerate(sequences, start=1):
        if not tokens:
            raise TpirError(f"sequence {number} is empty; a model needs at least one token")
        if len(tokens) > checkpoint.context:
            raise TpirError(
                f"sequence {number} has {len(tokens)} tokens; the context is {checkpoint.context}"
            )
        for token in tokens:
            if value_key(token) not in codes:
                raise TpirError(f"sequence {number}: {show_value(token)} is not in the vocabulary")
        rows.append(torch.tensor([codes[value_key(token)] for token in tokens]))
    return rows
