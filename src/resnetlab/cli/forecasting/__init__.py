"""From the flags of `plan` to what is to be forecast, and of which devices."""
