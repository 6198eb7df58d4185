"""Safelight beside its peers: real programs, generated images, one table from one run."""
