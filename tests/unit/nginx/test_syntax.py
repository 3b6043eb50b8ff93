"""nginx's configuration as nginx reads it; tests/package/test_nginx_syntax.py has nginx judge."""

import pytest

from altpeter_matrix.base.errors import HostError
from altpeter_matrix.nginx.syntax import Directive, parse

from ...package.nginx_words import WORDS


def arguments(text: str) -> tuple[str, ...]:
    (directive,) = parse(text, "site.conf")
    return directive.arguments


@pytest.mark.parametrize(("written", "meant"), WORDS)
def test_a_word_is_what_nginx_makes_of_it(written: str, meant: str) -> None:
    assert arguments(f"return 200 {written};") == ("200", meant)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a{b c;d{e;}}", [("a", [("b", []), ("d", [("e", [])])])]),
        ("a #b\n c; #d {\n#e", [("a", [])]),
        ("a\r\n\tb;\r\n", [("a", [])]),
        ("a '#' \"b;{\";b;", [("a", []), ("b", [])]),
        ("map $a $b { '' 1; \"~^{\" 2; }", [("map", [("", []), ("~^{", [])])]),
        ("a ${b}{c;}", [("a", [("c", [])])]),
        ("", []),
        ("# only this", []),
    ],
)  # fmt: skip
def test_blocks_and_comments_in_odd_places(text: str, names: list[object]) -> None:
    def shape(directives: tuple[Directive, ...]) -> list[object]:
        return [(one.name, shape(one.block)) for one in directives]

    assert shape(parse(text, "site.conf")) == names


@pytest.mark.parametrize(
    "program",
    [
        ' ngx.say("}") ',
        " -- don't {\n local t = {{1}, {2}} ",
        " --[[ } ' ]] local s = [==[ }]] ]==] ",
        r" local s = 'it\'s }' if s then return {} end ",
        "",
    ],
)
def test_a_program_in_lua_is_passed_over(program: str) -> None:
    text = f"location /a {{ content_by_lua_block {{{program}}} }} location /b {{ root /c; }}"
    found = parse(text, "site.conf")
    assert [one.arguments for one in found] == [("/a",), ("/b",)]
    assert [one.name for one in found[0].block] == ["content_by_lua_block"]
    assert [one.arguments for one in found[1].deep("root")] == [("/c",)]


@pytest.mark.parametrize(
    "text",
    ["a", "a b", "a {", "a { b; ", "a }", "}", ";", "a;;", "{ }", 'a "b', "a 'b;", 'a "b\\"; ',
     "a \\",
     "a_by_lua_block { '}' "],
)  # fmt: skip
def test_what_has_no_end_is_refused(text: str) -> None:
    with pytest.raises(HostError, match="cannot read; simplify it"):
        parse(text, "site.conf")
