"""DICOMweb without a socket: multipart bodies, media types, the DICOM JSON model, query parameters."""
