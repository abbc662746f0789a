"""A course with nbgrader: release assignments, grade what is handed in, write feedback."""
