"""Metrics that a reference implementation defines, computed as statistics that merge.

A `Measure` names a metric with its parameters. Its `Collector` turns a block of rows into a state; states of blocks
add up without rounding (whole numbers, exact sums, sorted count maps), and the measure finishes the sum through the
reference library's own function where there is one. So the numbers do not depend on how rows were split, nor in which
order.
"""
