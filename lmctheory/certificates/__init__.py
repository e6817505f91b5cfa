"""Certificates: results that are proved by ball arithmetic, for float64 weights taken as exact numbers."""
