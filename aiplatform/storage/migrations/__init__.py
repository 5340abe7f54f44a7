"""Alembic's folder: revisions with dated names, in one line, each saying what it locks. They ship in the wheel."""
