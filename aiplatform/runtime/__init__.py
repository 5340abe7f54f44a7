"""Ray: starting and ending a local cluster, its Serve applications and its jobs."""
