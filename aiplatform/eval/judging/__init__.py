"""Models that judge answers: scorers whose score is a verdict with its reason and the identity of who judged."""
