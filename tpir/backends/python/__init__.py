"""Programs as stand-alone Python modules: readable, fast, the same text every time."""

from tpir.backends.python.module import emit_python

__all__ = ["emit_python"]
