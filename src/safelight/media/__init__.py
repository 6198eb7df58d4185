"""Doors to where bytes lie: folders and mounts of this machine."""
