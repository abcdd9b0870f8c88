"""What this machine does in as many processes as will train on it at once, measured for a forecast."""
