"""The intermediate representation: types, ops, nodes, programs. Knows nothing of text or torch."""
