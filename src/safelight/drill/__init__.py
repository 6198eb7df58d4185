"""Rehearsing a recovery: what was planned, what was tried, what was measured, and how long that may be believed."""
