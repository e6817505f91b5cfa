"""What figures on images have in common: their panels, and how alignments look."""

PANELS = {"train": "training images", "test": "test images"}
ALIGNMENTS = {"none": ("orange", "no permutation"), "modulo": ("blue", "modulo permutation")}  # colour and label
