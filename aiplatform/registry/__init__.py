"""Data sets, experiments, models and lineage: the bridge to MLflow."""
