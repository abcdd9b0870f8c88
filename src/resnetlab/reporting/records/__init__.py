"""Records: each finished run in one small file; tables and curves are made of these alone. No torch."""
