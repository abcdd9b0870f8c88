"""What every other room stands on: files and locks, plain data, random numbers, units, the machine."""
