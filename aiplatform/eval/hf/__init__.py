"""Hugging Face's `evaluate` in both directions: its metrics here, and ours there."""
