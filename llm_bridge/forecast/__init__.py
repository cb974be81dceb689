"""What a base model's numbers foretell of its training: calibrate, predict, and score the forecast."""
