"""Exact bytes: the landing log, sealed packs and the copies of them."""
