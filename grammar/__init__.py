"""The grammar of ``.rasp`` text, as package data. Always imported as ``tpir.grammar``."""

if __name__ == "grammar":
    raise ImportError("import tpir.grammar, not grammar: the top-level folder is package data")
