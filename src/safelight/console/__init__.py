"""The web server that carries DICOMweb and the pages people look at."""
