"""Exact weights of a standard Transformer from a program."""

from __future__ import annotations

from tpir.backends.transformer.compiler import compile_transformer

__all__ = ["compile_transformer"]
