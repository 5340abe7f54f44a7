"""Submit, watch and stop Ray jobs for a tenant."""
