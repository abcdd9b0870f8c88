"""How many kinds torch.compile makes code for in one process."""

_KINDS = 64
"""Networks and image sizes that one process may compile; torch's own limit of 8 kinds makes it give up
without an error and run the ninth as it is."""


def allow_many_kinds() -> None:
    """Have torch compile as many kinds as are asked for. The limit counts for the thread that calls this."""
    from torch._dynamo import config  # a second's import, for those who compile

    config.recompile_limit = max(config.recompile_limit, _KINDS)
