"""Commands of awscli one after the other in one process: it takes most of a second to start."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout

from awscli.clidriver import create_clidriver
from lines import serve

PROGRAM = create_clidriver()


def aws(*words: str) -> list[str]:
    """What the command wrote to standard output. Raises RuntimeError with what it said when it failed."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as said:
        status = PROGRAM.main(["--endpoint-url", os.environ["ENDPOINT"], *words])
    if status != 0:
        raise RuntimeError(said.getvalue())
    return [out.getvalue()]


if __name__ == "__main__":
    serve({"aws": aws})
