"""The one exception for what a user can mend, and the one warning."""


class InputError(ValueError):
    """Bad input. The message is one clear sentence: what was found, where, and the way out.

    The command line prints it without a traceback and exits with status 2.
    """

    def __str__(self) -> str:
        # From a process that prepares samples, PyTorch hands on the error's whole traceback, which ends in the sentence.
        return super().__str__().rpartition(f"{InputError.__module__}.{InputError.__name__}: ")[2].strip()


class InputWarning(UserWarning):
    """A sentence that the user should read about an input that is used all the same.

    The command line prints it on stderr.
    """
