"""The `aiplatform` command: one file per command group."""
