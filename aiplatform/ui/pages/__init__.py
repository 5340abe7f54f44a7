"""One module for each group of pages: handlers that ask a service and draw a template."""
