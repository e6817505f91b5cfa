"""Compiled loops (Numba). They validate nothing: callers pass C-contiguous float64 arrays of matching shapes."""
