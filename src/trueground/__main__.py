"""`python -m trueground`."""

from trueground.cli import main

main()
