"""Extracts of a schedule in files: CSV and XLSX, read line by line as a hospital's own mapping says."""
