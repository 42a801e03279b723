"""What every verb can be told, without the verb's work: help and completion load nothing else.

One frozen dataclass per verb: a field per option, its docstring as help, and in `WORK` the function that runs the verb.
"""
