"""`serve` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.errors import UsageError
from metalmatrix.output import tell
from metalmatrix.site import write
from metalmatrix.site.serve import serving
from metalmatrix.table import show

if TYPE_CHECKING:
    import argparse


def serve(options: argparse.Namespace) -> int:
    """Show ``site/`` until Ctrl-C.

    Raises:
        UsageError: The port that was asked for is taken, or not for everybody.
    """
    folder = write.site_folder()
    if not (folder / "index.html").is_file():
        tell("there is no site/ yet: it is made first")
        write.write_site(write.publication(show.current_report(), tell))
    try:
        server = serving(folder, options.port)
    except OSError as error:
        if not options.port:
            raise
        raise UsageError(
            f"port {options.port} cannot be had: {error.strerror or error}",
            "leave --port out, and one that is free is taken: nox -s serve",
        ) from error
    with server:
        tell(f"http://127.0.0.1:{server.server_port}/ shows {folder.name}/; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            tell("ended")
    return 0
