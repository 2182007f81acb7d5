"""Alembic's environment; `polycast.db.migrate` is the way to run it."""
