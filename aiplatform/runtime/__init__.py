"""The local Ray that the platform owns: its ports, processes, environment and Serve's REST interface."""
