"""tpir: a compiler for Transformer Programs."""
