"""Doors of the hospital network: listeners and callers that own the sockets."""
