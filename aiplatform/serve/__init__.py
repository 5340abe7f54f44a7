"""Models on Ray Serve: deployments, the model door and the inference protocols."""
