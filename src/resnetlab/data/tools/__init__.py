"""What one does with data before training: check, look, pack, unpack, prepare ImageNet."""
