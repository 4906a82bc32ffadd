"""Torch models: the Transformer Program, its checkpoints and its predictions."""
