"""Reconciliation: after an outage all sides agree again, each difference closed by a recorded decision."""
