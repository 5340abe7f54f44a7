"""Tenants, projects, principals, keys, roles, audit, and the authentication of every entry."""
