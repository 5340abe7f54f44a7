"""Arithmetic of evaluation: exact sums, intervals, bootstrap, paired tests, sample sizes. Values in, values out."""
