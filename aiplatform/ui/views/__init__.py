"""What pages show, computed from the rooms' values: no request, no I/O."""
