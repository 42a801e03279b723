"""The verbs of the command line, their exit codes and signals. The only code that prints."""
