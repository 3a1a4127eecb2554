"""The report as one HTML page that plays."""
