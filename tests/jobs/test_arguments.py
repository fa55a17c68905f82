"""Paths are typed as they are; what Hydra's grammar cannot take is quoted, or answered with the form that works."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from lmf_sr.errors import InputError
from lmf_sr.jobs.arguments import _quoted, typeable


def understood(setting: str) -> Any:
    """The value that Hydra gives to the setting."""
    (override,) = OverridesParser.create().parse_overrides([typeable(setting)])
    return [*override.sweep_iterator()] if override.is_sweep_override() else override.value()


@pytest.mark.parametrize(
    "name",
    [
        *("epoch=3-step=100.ckpt", "it's mine.ckpt", "a#1.ckpt", "a:b.ckpt", "a(1).ckpt", "a{b}.ckpt", "日本.ckpt"),
        *("a,b.ckpt", 'a"b', "back\\slash'.ckpt", "plain.ckpt", "two words.ckpt", "a!b;c&d.ckpt", "a=b\\"),
    ],
)
def test_a_file_is_named_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert understood(f"ckpt={name}") == name
    assert understood(f"models=[bicubic,{name}]" if "," not in name else f"models=['{name}']")[-1] == name


def test_files_of_a_sweep_are_named_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a=1.ckpt", "b=2.ckpt"):
        Path(name).touch()
    (override,) = OverridesParser.create().parse_overrides([typeable("ckpt=a=1.ckpt,b=2.ckpt")])
    assert [str(value) for value in override.sweep_string_iterator()] == ["'a=1.ckpt'", "'b=2.ckpt'"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("~/photos", "HOME/photos"),
        ("~", "HOME"),
        ("'~/photos'", "HOME/photos"),
        ("[~/a.ckpt,~/b.ckpt]", ["HOME/a.ckpt", "HOME/b.ckpt"]),
        ("a/~", None),
        ("2", 2),
        ("[2,3.5]", [2, 3.5]),
        ("2,3", [2, 3]),
        ("null", None),
        ("{a:1}", {"a": 1}),
    ],
)
def test_values_keep_their_meaning_and_the_home_folder_is_found(
    value: str, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if value == "a/~":
        with pytest.raises(InputError):
            typeable(f"data.root={value}")
        return
    assert str(understood(f"key={value}")) == str(expected).replace("HOME", str(tmp_path))


def test_a_file_with_the_name_of_a_number_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2").touch()
    assert understood("scale=2") == 2


@pytest.mark.parametrize(
    ("setting", "form"),
    [
        ("ckpt=not=there", "\"ckpt='not=there'\""),
        ("x=[", "\"x='['\""),
        ("x=it's$1", "'x='\"'\"'it\\'\"'\"'s$1'\"'\"''"),
    ],
)
def test_what_names_no_file_is_answered_with_the_form_that_works(setting: str, form: str) -> None:
    with pytest.raises(InputError) as error:
        typeable(setting)
    assert str(error.value) == f"cannot make sense of {setting!r}: to give it as text, write {form}"


@given(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1))
def test_quoted_text_is_the_text(text: str) -> None:
    if not text.isprintable():
        return
    (override,) = OverridesParser.create().parse_overrides([f"key={_quoted(text)}"])
    assert override.value() == text
