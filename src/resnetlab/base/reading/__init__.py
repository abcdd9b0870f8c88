"""Bytes from outside: files that are looked at before they are read, JSON, and processes with limits."""
