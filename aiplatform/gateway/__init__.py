"""The Serve applications, the worker and their wiring: the only place that assembles."""
