"""The DICOM door: who calls us, whom we call, and what was answered."""
