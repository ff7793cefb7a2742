"""`audiosocket help`: the documentation that comes with the package, by topic."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from audiosocket_cli.commands.path_param import PathParam
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding_pages import FOLDER, finding_ids, read_finding, sentence_of, sound_of

_MAX_MENTIONS = 5


def _words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer topics, each with what it is about, findings, and commands."""
    from audiosocket_cli.ui.pages import TOPICS, read_page, summary_of

    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    about = {topic: summary_of(read_page(topic)) for topic in TOPICS}
    about[FOLDER] = "The page of each finding, by its id."
    about |= dict.fromkeys(root.command.list_commands(root), "its options")
    return [CompletionItem(word, help=text) for word, text in about.items() if word.startswith(incomplete)]


def _ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the ids of findings after `finding`."""
    ids = finding_ids() if ctx.params.get("topic") == FOLDER else ()
    return [CompletionItem(each, help=sentence_of(each)) for each in ids if each.startswith(incomplete)]


@click.command(short_help="Show the documentation of a topic, finding or command.")
@click.argument("topic", required=False, shell_complete=_words)
@click.argument("finding_id", metavar="[ID]", required=False, shell_complete=_ids)
@click.option(
    "--file", "name", metavar="NAME", help="Print a file that a page holds or names, such as audiosocket.service."
)
@click.option(
    "--sound",
    type=PathParam(path_type=str),
    metavar="FILE.wav",
    help="Write how a finding sounds, to compare it with what you hear.",
)
@click.option("--force", is_flag=True, help="With --sound: overwrite the file if it exists.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    topic: str | None,
    finding_id: str | None,
    name: str | None,
    sound: str | None,
    *,
    force: bool,
) -> None:
    """Show the documentation: the list of topics, a topic, a finding, or the options of a command.

    \b
    Examples:
      audiosocket help
      audiosocket help bots
      audiosocket help serve
      audiosocket help finding
      audiosocket help finding caller-ulaw
      audiosocket help finding caller-ulaw --sound ulaw.wav
      audiosocket help --file audiosocket.service

    On a terminal it is shown through a pager ($PAGER), else as plain text.
    """
    from audiosocket_cli.ui.pages import TOPICS, list_findings, list_topics, read_page, show_page

    if finding_id is not None and topic != FOLDER:
        raise UsageError(f"{topic!r:.60} takes nothing after it: audiosocket help {FOLDER} ID shows a finding")
    if sound is not None:
        _write_sound(finding_id, sound, force=force)
    elif name is not None:
        _put_file(name, (topic,) if topic in TOPICS else TOPICS)
    elif topic is None:
        list_topics()
    elif topic == FOLDER and finding_id is None:
        list_findings()
    elif topic == FOLDER and finding_id is not None:
        show_page(read_finding(_known(finding_id)), FOLDER)
    elif topic in TOPICS:
        show_page(read_page(topic))
    else:
        _show_command(ctx, topic)


def _known(finding_id: str) -> str:
    """Return an id as its page has it, also one in its brackets. Raises `UsageError`, with what was probably meant."""
    known, wanted = finding_ids(), finding_id.strip("[]").lower()
    if wanted in known:
        return wanted
    raise UsageError(f"there is no finding {finding_id!r:.60}: {_hint_on_finding(wanted)}")


def _hint_on_finding(wanted: str) -> str:
    """Return what was probably meant: an id that looks like it, or those whose pages have these words, such as DTMF or
    a line of Asterisk's log."""
    known = finding_ids()
    near = difflib.get_close_matches(wanted, known, 1, 0.8) or [each for each in known if wanted and wanted in each]
    mentions = [] if near or len(wanted) < 3 else [each for each in known if wanted in _plain(read_finding(each))]
    if mentions:
        return f"read about it in {', '.join(mentions[:_MAX_MENTIONS])}{', …' if len(mentions) > _MAX_MENTIONS else ''}"
    near = near or difflib.get_close_matches(wanted, known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"audiosocket help {FOLDER} lists them"


def _plain(page: str) -> str:
    """Return the words of a page, without where its links lead."""
    return " ".join(re.sub(r"\]\([^)]*\)", "]", page.lower()).split())


def _write_sound(finding_id: str | None, sound: str, *, force: bool) -> None:
    from audiosocket_cli.disk import write_file
    from audiosocket_cli.ui.console import say, shown_path

    if finding_id is None:
        raise UsageError("--sound writes how a finding sounds: name one, as in audiosocket help finding caller-ulaw")
    data = sound_of(_known(finding_id))
    if data is None:
        heard = ", ".join(each for each in finding_ids() if sound_of(each) is not None)
        raise UsageError(f"{finding_id} cannot be heard, or sounds like nothing: choose from {heard}")
    write_file(sound, [data], force=force)
    say(f"wrote {shown_path(Path(sound))}")


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

    if (finding_id := name.strip("[]").lower()) in finding_ids():
        return f"that is a finding: audiosocket help {FOLDER} {finding_id}"
    known = [*TOPICS, *commands]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.6)
    near = near or [each for each in known if each.startswith(name.lower())][:1]
    if near:
        return f"did you mean {near[0]}?"
    mentions = pages_with(name) if len(name) > 2 else []
    if mentions:
        return f"read about it in {', '.join(mentions[:_MAX_MENTIONS])}"
    return "audiosocket help lists them"
