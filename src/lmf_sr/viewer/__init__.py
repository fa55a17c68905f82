"""Continuous pictures in a browser: the server of `lmf-sr view`, and pages that need no server (`lmf-sr export`)."""
