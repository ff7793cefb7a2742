"""`audiosocket help`: the documentation that comes with the package, by topic."""

from __future__ import annotations

import difflib

import click
from click.shell_completion import CompletionItem

from audiosocket_cli.errors import UsageError

_MAX_MENTIONS = 5


def _words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer topics, each with what it is about, and commands."""
    from audiosocket_cli.ui.pages import TOPICS, read_page, summary_of

    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    about = {topic: summary_of(read_page(topic)) for topic in TOPICS}
    about |= dict.fromkeys(root.command.list_commands(root), "its options")
    return [CompletionItem(word, help=text) for word, text in about.items() if word.startswith(incomplete)]


@click.command(short_help="Show the documentation: a topic, or a command's help.")
@click.argument("topic", required=False, shell_complete=_words)
@click.option(
    "--file", "name", metavar="NAME", help="Print a file that a page holds or names, such as audiosocket.service."
)
@click.pass_context
def command(ctx: click.Context, /, topic: str | None, name: str | None) -> None:
    """Show the documentation: the list of topics, a topic, or the options of a command.

    \b
    Examples:
      audiosocket help
      audiosocket help bots
      audiosocket help serve
      audiosocket help --file audiosocket.service

    On a terminal it is shown through a pager ($PAGER), else as plain text.
    """
    from audiosocket_cli.ui.pages import TOPICS, list_topics, read_page, show_page

    if name is not None:
        _put_file(name, (topic,) if topic in TOPICS else TOPICS)
    elif topic is None:
        list_topics()
    elif topic in TOPICS:
        show_page(read_page(topic))
    else:
        _show_command(ctx, topic)


def _put_file(name: str, topics: tuple[str, ...]) -> None:
    from audiosocket_cli.ui.console import put_lines
    from audiosocket_cli.ui.pages import examples_in, files_in, read_page

    pages = [read_page(topic) for topic in topics]
    found = {name: text for page in pages for name, text in (files_in(page) | examples_in(page)).items()}
    if name not in found:
        raise UsageError(f"no page holds a file {name!r:.80}: choose from {', '.join(found) or 'none on this page'}")
    put_lines(found[name].splitlines())


def _show_command(ctx: click.Context, name: str) -> None:
    """Show the help of a command. Raises `UsageError`, with what was probably meant, when there is none."""
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    command = root.command.get_command(root, name)
    if command is None:
        raise UsageError(f"there is no topic {name!r:.60}: {_hint(name, root.command.list_commands(root))}")
    click.echo(command.get_help(click.Context(command, info_name=name, parent=root)))


def _hint(name: str, commands: list[str]) -> str:
    from audiosocket_cli.ui.pages import TOPICS, pages_with

    known = [*TOPICS, *commands]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.6)
    near = near or [each for each in known if each.startswith(name.lower())][:1]
    if near:
        return f"did you mean {near[0]}?"
    mentions = pages_with(name) if len(name) > 2 else []
    if mentions:
        return f"read about it in {', '.join(mentions[:_MAX_MENTIONS])}"
    return "audiosocket help lists them"
