"""What claims decide by: intervals, fits and rules that several of them share."""
