"""The command line: one module a command, all spelled in `weka_mp.cli.main`."""
