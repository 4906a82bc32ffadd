"""The Transformer Program (Friedman et al. 2023, arXiv 2306.01128) as a torch module."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from tpir.models.block import Block
from tpir.models.config import TransformerProgramConfig
from tpir.models.discrete import DiscreteProgram
from tpir.models.embedding import NumberEmbedding, PositionEmbedding, TokenEmbedding
from tpir.models.readout import Readout
from tpir.models.sampling import Mode, Sampler


class TransformerProgram(nn.Module):
    """A Transformer restricted so that it is a program once its choices are discrete.

    Parameters and buffers carry the names and shapes of the public reference implementation, so a
    state dict goes either way with ``strict=True``. A new model is in ``soft`` mode at temperature
    1.

    In ``discrete`` mode choices are taken once and kept until a parameter changes; only the
    readout is then differentiable. (Writing into ``parameter.data`` goes unseen: call ``set_mode``
    again.)
    """

    def __init__(self, config: TransformerProgramConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = TokenEmbedding(config)
        self.num_embed = NumberEmbedding(config)
        self.pos_embed = PositionEmbedding(config)
        self.blocks = nn.ModuleList([Block(config, layer) for layer in range(config.n_layers)])
        self.unembed = Readout(config)
        self._mode: Mode = "soft"
        self._temperature = 1.0
        self._discrete: DiscreteProgram | None = None
        self._stamp: tuple[object, ...] = ()

    @property
    def mode(self) -> Mode:
        """How choices are taken: one of the soft modes of Sampler, or ``discrete``."""
        return self._mode

    def set_mode(self, mode: Mode) -> Self:
        """Choose how choices are taken; ``discrete`` is the argmax, of equal logits the first."""
        self._mode = mode
        self._discrete = None
        return self

    def set_temperature(self, tau: float) -> Self:
        """Set the temperature of every choice of the soft modes."""
        self._temperature = float(tau)
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch, position, label], or [batch, label] of a pooled model.

        ``tokens`` [batch, position] holds vocabulary indices, ``<pad>`` only after the end of a
        sequence; the logits at padding mean nothing. Real numbers are of the parameters' type,
        attention logits always float32.
        """
        if self._mode == "discrete":
            logits = self._discrete_logits(tokens)
        else:
            logits = self._soft_logits(tokens, Sampler(self._mode, self._temperature))
        finished: Tensor = self.unembed.finish(logits, self._counted(tokens))
        return finished

    def _soft_logits(self, tokens: Tensor, sample: Sampler) -> Tensor:
        present = self._present(tokens)
        permitted = present.unsqueeze(1) & present.unsqueeze(2)
        if self.config.causal:
            permitted = permitted.tril()
        x_cat = torch.cat([self.embed(tokens, sample), self.pos_embed(tokens)], 2)
        x_num = self.num_embed(tokens)
        for block in self.blocks:
            x_cat, x_num = block(x_cat, x_num, permitted, sample)
        logits: Tensor = self.unembed(x_cat, x_num)
        return logits

    def _discrete_logits(self, tokens: Tensor) -> Tensor:
        program = self._discrete_program()
        chunks = torch.split(tokens, program.batch_size(tokens.shape[1]))
        return torch.cat([self.unembed.of_choices(*program.run(chunk)) for chunk in chunks])

    def _discrete_program(self) -> DiscreteProgram:
        stamp = tuple((x._version, x.data_ptr(), x.dtype) for x in self._choosing())
        if self._discrete is None or stamp != self._stamp:
            self._discrete = DiscreteProgram(
                self.config, self.embed, self.num_embed, self._layers()
            )
            self._stamp = stamp
        return self._discrete

    def _layers(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]

    def _choosing(self) -> list[Tensor]:
        """Every tensor that a discrete choice depends on: all but the readout."""
        parts = (self.embed, self.num_embed, self.blocks)
        found: list[Tensor] = [tensor for part in parts for tensor in part.parameters()]
        biases = (block.cat_attn.rel_pos_bias for block in self._layers())
        return found + [bias.bias for bias in biases if bias is not None]

    def _present(self, tokens: Tensor) -> Tensor:
        """True where there is a token, [batch, position]."""
        if self.config.pad_id is None:
            return torch.ones_like(tokens, dtype=torch.bool)
        return tokens != self.config.pad_id

    def _counted(self, tokens: Tensor) -> Tensor:
        """The positions a pooled readout sums over: those the first position may attend to."""
        present = self._present(tokens)
        counted = present & present[:, :1]
        if self.config.causal:
            counted = counted & (torch.arange(tokens.shape[1], device=tokens.device) == 0)
        return counted
