"""The study: what is claimed about linear mode connectivity modulo permutation, and what is measured."""
