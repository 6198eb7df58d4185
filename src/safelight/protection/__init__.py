"""Keeping a proven copy of all that a PACS holds, and knowing at any moment what would be lost."""
