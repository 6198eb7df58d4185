"""DICOM as it travels: upper layer, DIMSE, identifiers, Part 10 and the data-set walker."""
