"""Names, units, clock and error families that every other room may use."""
