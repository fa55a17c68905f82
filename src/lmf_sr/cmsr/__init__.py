"""CMSR: rendering each place only as finely as its content needs (He & Jin, CVPR 2024, section 3.4)."""
