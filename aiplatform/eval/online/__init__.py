"""Live traces that are scored as they arrive: a rule says which, how many, by what, and for how much."""
