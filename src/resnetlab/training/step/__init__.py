"""The mathematics of one update, and the state and the device that it works on."""
