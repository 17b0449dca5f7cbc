"""The page of the service."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

__all__ = ["page"]


def page() -> tuple[str, str]:
    """Return the page, and the policy that lets browsers run its own script and nothing else."""
    content = files("skgnnrec.serving").joinpath("page.html").read_text(encoding="utf-8")
    sources = {tag: _source(content, tag) for tag in ("script", "style")}
    policy = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    return content, policy + "; ".join(f"{tag}-src '{source}'" for tag, source in sources.items())


def _source(content: str, tag: str) -> str:
    (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", content, flags=re.DOTALL)
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
