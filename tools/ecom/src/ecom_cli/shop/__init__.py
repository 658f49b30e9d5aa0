"""The shop as its people use it from the command line: orders, stock, and the API between."""
