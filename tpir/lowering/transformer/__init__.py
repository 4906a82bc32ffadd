"""The program that a standard Transformer computes, read from its weights."""

from __future__ import annotations

from tpir.lowering.transformer.lowering import lower_transformer

__all__ = ["lower_transformer"]
