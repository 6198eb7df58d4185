"""Sealed, signed evidence of what was done, which an auditor can check without us."""
