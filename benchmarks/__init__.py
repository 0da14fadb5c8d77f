"""Benchmarks of smalti, compared with other libraries in the same run; see README.md."""
