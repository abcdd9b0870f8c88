"""`resnetlab serve`: a trained network behind a page and an address that programs send pictures to."""
