"""Typed HTTP client of the control plane: what SDKs, jobs and the command line speak through."""
