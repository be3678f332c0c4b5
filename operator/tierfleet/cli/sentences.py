"""How a command ends that cannot do what it was asked: a sentence on standard error and a status.

One rule for all commands: 2 for what the caller can mend in the call or in what it names (options,
files, credentials, rights, addresses), 1 for the rest.
"""

import typer

MISTAKE = 2
FAILURE = 1


def mistake(sentence: str) -> typer.Exit:
    """Say what to mend; raise what is returned."""
    typer.echo(sentence, err=True)
    return typer.Exit(MISTAKE)


def failure(sentence: str, status: int = FAILURE) -> typer.Exit:
    """Say what went wrong though the call was in order; raise what is returned."""
    typer.echo(sentence, err=True)
    return typer.Exit(status)


def not_installed(error: ImportError, extra: str, status: int = FAILURE) -> typer.Exit:
    """Say which extra of the package a command needs; raise what is returned."""
    return failure(
        f"This needs {error.name}, which is not installed."
        f" Install it with: pip install 'tierfleet[{extra}]'"
        f" (in a checkout: pip install '.[{extra}]')",
        status,
    )
