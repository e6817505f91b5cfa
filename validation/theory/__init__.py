"""What is predicted: thresholds, probabilities and limits, computed without a simulation."""
