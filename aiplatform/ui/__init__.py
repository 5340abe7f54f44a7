"""Pages, templates, static assets: one interface over every room."""
