"""One HTML page to compare runs."""
