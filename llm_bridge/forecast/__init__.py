"""What a base model foretells of its training: calibrate, predict, and score the forecast."""
