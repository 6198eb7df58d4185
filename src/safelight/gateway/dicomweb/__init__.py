"""The DICOMweb door: searching, retrieving and storing over HTTP."""
