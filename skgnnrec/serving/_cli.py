"""The command `skgnnrec`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from skgnnrec import __version__
from skgnnrec.serving._app import create_app
from skgnnrec.serving._limits import Limits

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the arguments of the process, and return its status."""
    given = _parser().parse_args(arguments)
    try:
        return _serve(given)
    except (OSError, ValueError, TypeError, ImportError) as error:
        sys.stderr.write(f"skgnnrec: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="skgnnrec", description="Recommender systems.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="answer over HTTP with a saved recommender",
        description="Answer over HTTP with a recommender that skgnnrec.save has written.",
        epilog="The environment variable SKGNNREC_TOKEN, if it is set, has the token that clients must send.",
    )
    serve.add_argument("model", help="the file of the recommender")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="the port (default: %(default)s)")
    kept = serve.add_mutually_exclusive_group()
    kept.add_argument("--journal", help="the file that keeps changes (default: the file of the recommender + .journal)")
    kept.add_argument("--no-journal", action="store_true", help="lose changes when the process ends")
    serve.add_argument("--token-file", help="a file with the token that clients must send")
    serve.add_argument("--trusted", nargs="+", default=[], metavar="TYPE", help="further types that the file contains")
    for limit in fields(Limits):
        name = "--" + limit.name.replace("_", "-")
        serve.add_argument(name, type=int, default=limit.default, metavar="N", help="default: %(default)s")
    return parser


def _serve(given: argparse.Namespace) -> int:
    app = create_app(
        given.model,
        journal=None if given.no_journal else given.journal or f"{given.model}.journal",
        token=_token(given.token_file),
        limits=Limits(**{limit.name: getattr(given, limit.name) for limit in fields(Limits)}),
        trusted=given.trusted,
    )
    app.state.writer.open()  # errors of the journal are those of the command
    import uvicorn

    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(name)s: %(message)s")
    uvicorn.run(app, host=given.host, port=given.port, log_level="info", access_log=False, server_header=False)
    return 0


def _token(path: str | None) -> str | None:
    if path is None:
        return os.environ.get("SKGNNREC_TOKEN") or None
    token = Path(path).read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"--token-file={path!r} is empty.")
    return token
