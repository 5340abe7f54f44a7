"""Fakes, factories and fixtures for tests, shipped to users."""
