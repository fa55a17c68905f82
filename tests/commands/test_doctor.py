"""`lmf-sr doctor` tells which paths run here."""

import pytest

from lmf_sr.building import choices
from lmf_sr.commands import doctor
from lmf_sr.commands.main import main
from lmf_sr.encoders import cpu
from lmf_sr.kernels import bindings


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The doctor's lines, by label."""
    assert main(["doctor"]) == 0
    said = [line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    return dict(said)


def test_it_names_every_encoder_and_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(capsys)
    assert {*choices("encoder"), *choices("decoder"), "PyTorch", "CPU", "compiled"} <= said.keys()
    assert said["liif"] == "direct: one query per pixel"
    assert said["swinir"] == "PyTorch: compiled are EDSR of up to 128 channels and RLFN without ESA"


@pytest.mark.skipif(bindings.why_not_compiled() is not None, reason=f"NO COMPILER: {bindings.why_not_compiled()}")
def test_with_kernels_it_says_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(capsys)
    assert said["compiled"].startswith("yes")
    assert said["library"] == str(bindings.compiled_from())
    assert said["rlfn"] == "compiled"
    assert said["lm-liif"] == "blocked: compiled, from the features on"


def test_without_kernels_it_says_why(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (doctor, cpu):
        monkeypatch.setattr(module, "why_not_compiled", lambda: "there is no C compiler 'cc'")
    said = lines(capsys)
    assert said["compiled"] == "no: there is no C compiler 'cc'"
    assert said["rlfn"] == "PyTorch: there is no C compiler 'cc'"
