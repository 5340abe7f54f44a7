"""Queues of answers that people judge: who judges what, how far they agree, and what that says of judges."""
