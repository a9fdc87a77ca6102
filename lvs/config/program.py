"""The words of a command line of lvs.cf (send_program), without a shell."""

from __future__ import annotations

import shlex


def program_words(text: str) -> tuple[str, ...]:
    r"""The program and its arguments: divided at blanks, quotes keep blanks and end up in no word.

    A backslash is an ordinary character, as it was for Piranha's nanny: patterns such as \d+ stand as they
    are, and lvs.cf itself has no escapes between quotes. Raises ValueError with what to do.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        words = tuple(lexer)
    except ValueError as error:
        raise ValueError("a quote is not closed: end the argument with the same quote") from error
    if not words or not words[0]:
        raise ValueError("it names no program: write its name, then its arguments")
    return words
