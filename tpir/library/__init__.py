"""Libraries in ``.rasp``: ``std`` is always there, others are loaded by name."""
