"""Where the time of a step goes: by kind of work, as a table and as a trace."""
