"""What a run will need, by arithmetic on its network and recipe: memory, time, cores, devices. No torch."""
