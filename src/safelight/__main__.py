"""`python -m safelight` is `safelight`."""

from safelight.cli.main import main

main()
