"""What programs see over HTTP."""
