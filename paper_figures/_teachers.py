"""Colour and marker of every teacher width, the same in all figures on minima."""

TEACHERS = {2: ("blue", "o"), 3: ("red", "v"), 4: ("orange", "s"), 8: ("green", "^"), 16: ("purple", "D")}
