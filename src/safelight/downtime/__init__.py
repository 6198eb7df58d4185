"""Downtime: radiology goes on while its systems are away, from the moment a person says so until nothing is open."""
