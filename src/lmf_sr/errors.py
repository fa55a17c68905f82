"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Bad input. The message is one clear sentence: what was found, where, and the way out.

    The command line prints it without a traceback and exits with status 2.
    """
