# So that it is there: the process has it from the interpreter.
