"""Looking at continuous pictures in a browser: a server for `lmf-sr view`, and pages that need none (`lmf-sr export`)."""
