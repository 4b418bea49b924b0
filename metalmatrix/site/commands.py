"""`serve` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.output import tell
from metalmatrix.site import write
from metalmatrix.site.serve import serving
from metalmatrix.table import show

if TYPE_CHECKING:
    import argparse


def serve(options: argparse.Namespace) -> int:
    """Show ``site/`` until Ctrl-C.

    Raises:
        OSError: The port is taken.
    """
    folder = write.site_folder()
    if not (folder / "index.html").is_file():
        tell("there is no site/ yet: it is made first")
        write.write_site(write.publication(show.current_report(), tell))
    with serving(folder, options.port) as server:
        tell(f"http://127.0.0.1:{server.server_port}/ shows {folder.name}/; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            tell("ended")
    return 0
