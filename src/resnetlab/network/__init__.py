"""The network as data: its specification, its rules, the plan of its layers. No torch."""
