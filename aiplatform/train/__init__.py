"""Run specs and training runs on Ray Train."""
