"""Simulation from event to event, where a round without signal changes nothing."""
