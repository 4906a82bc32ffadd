"""Equivalence: are two artefacts the same function? Proved, refuted or tested."""
