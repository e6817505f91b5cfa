"""Measurements of speed, each against its alternatives within one run; never part of the tests."""
