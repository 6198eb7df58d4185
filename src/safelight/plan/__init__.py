"""The one recovery plan that IT and radiology sign together: read, checked, compared, signed, estimated."""
