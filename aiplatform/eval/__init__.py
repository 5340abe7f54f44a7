"""Scorers, metrics with error bars, batch evaluation on Ray Data, comparison and gates."""
