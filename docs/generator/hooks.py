"""What MkDocs adds to the pages that are written by hand: references out of the code, pictures out of the program."""

from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from command_reference import command_page
from config_reference import config_page
from pictures import pictures
from sample_run import sample_files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated files; each is made anew at every build, so that none can be out of date."""
    for path, content in generated():
        files.append(File.generated(config, path, content=content))
    return files


def generated() -> Iterator[tuple[str, str | bytes]]:
    """Path in the site's sources, and content."""
    yield "reference/configuration.md", config_page()
    yield "reference/commands.md", command_page()
    yield from pictures()
    yield from sample_files()
