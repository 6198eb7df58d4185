"""Refilling a rebuilt archive in the order patients need, and proving what arrived."""
