"""The tour: a documentation assistant that walks the whole loop on real data."""
