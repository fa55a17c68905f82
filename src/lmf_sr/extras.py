"""The packages that the extras of `pip install 'lmf-sr[EXTRA]'` bring, and the sentence that names a missing one."""

from lmf_sr.errors import InputError

EXTRAS = {
    "av": "video",
    "matplotlib": "report",
    "wandb_workspaces": "dashboard",
    "starlette": "view",
    "uvicorn": "view",
}
"""The extra that brings a module which is imported as if it were there."""


def missing_extra(error: BaseException, doing: str) -> InputError | None:
    """The sentence for a module of an extra that could not be imported; None for any other error.

    Args:
        error: what an import raised.
        doing: who needs it, as `lmf-sr compare`.
    """
    if not isinstance(error, ModuleNotFoundError):
        return None
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return InputError(f"{doing} needs {module}, which is not installed: pip install 'lmf-sr[{EXTRAS[module]}]'")
