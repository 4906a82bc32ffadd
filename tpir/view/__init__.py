"""Pictures of programs, traces of their runs, differences between them, display in notebooks."""
