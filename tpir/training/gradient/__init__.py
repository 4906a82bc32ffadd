"""Training many seeds at once: one batched relaxation of the Transformer Program, many runs."""
