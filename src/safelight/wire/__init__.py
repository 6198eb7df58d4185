"""Languages of the wire, without a wire: bytes in, events out (DICOM)."""
