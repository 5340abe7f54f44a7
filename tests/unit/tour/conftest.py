"""Properties run without a deadline: a machine that other work slows down is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("eval", max_examples=60)
settings.load_profile("eval")
