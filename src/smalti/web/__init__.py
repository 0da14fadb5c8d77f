"""The studio: a page for every model, and an HTTP interface for scripts (`smalti serve`)."""
