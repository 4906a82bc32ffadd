"""Simplification passes, one a file. Always imported as ``tpir.passes``."""

if __name__ == "passes":
    raise ImportError(
        "import tpir.passes, not passes: the top-level folder is the package's source"
    )
