"""Names of folders are safe, readable and unique."""

import re

import pytest

from lmf_sr.jobs.folders import folder_name


@pytest.mark.parametrize("text", ["decoder-lm-liif+seed-0", "scale-2.5", "x" * 100])
def test_what_can_name_a_folder_does(text: str) -> None:
    assert folder_name(text) == text


def test_a_job_in_which_nothing_varies_has_a_name_that_can_be_read() -> None:
    assert folder_name("") == "single"


@pytest.mark.parametrize("text", ["scale-[2,3]", "ckpt-a/b.ckpt", "日本", "..", "x" * 101, "a b", "it's"])
def test_other_texts_end_in_a_hash_of_their_own(text: str) -> None:
    name = folder_name(text)
    assert re.fullmatch(r"[\w.+@-]*[0-9a-f]{8}", name)
    assert len(name) <= 110
    assert name != folder_name(text + "!")
