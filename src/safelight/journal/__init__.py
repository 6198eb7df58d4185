"""Facts in order: append-only, hash-chained, sealed into the vault."""
