"""Commands: `polycast --help`. Each imports what it needs when it runs, so that `--help` and `up` start fast."""
