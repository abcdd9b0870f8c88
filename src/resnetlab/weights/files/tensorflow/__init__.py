"""What TensorFlow writes and publishes: its checkpoints, and archives of them."""
