"""Whether W&B knows its user: found out without a prompt and without a connection. Knows no PyTorch."""

import netrc
import os
from urllib.parse import urlsplit

_CLOUD = ("api.wandb.ai", "api.forge.coreweave.com")  # one server under two names


def logged_in() -> bool:
    """Whether wandb finds credentials for its server, in the environment or in a netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    host = urlsplit(wandb.setup().settings.base_url).netloc
    try:
        entries = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return False
    return any(entries.authenticators(name) for name in (_CLOUD if host in _CLOUD else (host,)))
