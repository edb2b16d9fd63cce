"""The API pages as HTML: `python docs/build.py FOLDER`, and FOLDER/index.html is the way in.

pdoc makes them of the docstrings; a warning, such as a name that can't be resolved, is an error.
"""

import pkgutil
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pdoc.docstrings
import pdoc.render

import nolab

DOCS = Path(__file__).parent
PAGES = ("architecture", "extending")
"""Pages of this folder that stand beside the modules."""
FRONT = "- [How nolab is built](architecture.html)\n- [Adding a part](extending.html), in nolab or outside"

_SECTION = re.compile(
    r"^(?P<title>Parameters|Attributes|Returns|Yields|Raises)\n-+\n(?P<body>(?:.+\n?|\n(?= ))*)", re.MULTILINE
)
_ENTRY = re.compile(r"^(?P<names>[\w.*]+(?:, [\w.*]+)*)(?: : (?P<text>.*))?$")
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?!http|#)(?P<file>[^)]+)\)")


def main(folder: Path) -> None:
    """Write all pages into `folder`."""
    pdoc.docstrings.numpy = sections
    pdoc.render.configure(docformat="numpy", show_source=False)
    modules = public_modules()
    # Not before the imports: some of them set filters of their own.
    warnings.simplefilter("error", UserWarning)
    pages = modules | {name: pdoc.doc.Module(_page(name)) for name in PAGES}
    for name, module in pages.items():
        file = folder / f"{name.replace('.', '/')}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(pdoc.render.html_module(module, pages), encoding="utf-8")
    (folder / "index.html").write_text(pdoc.render.html_index(modules), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(pages), encoding="utf-8")


def public_modules() -> dict[str, pdoc.doc.Module]:
    """nolab and all below it of which the name has no underscore."""
    for name in nolab.__all__:  # they are loaded when first used
        setattr(nolab, name, getattr(nolab, name))
    found = [module.name for module in pkgutil.walk_packages(nolab.__path__, "nolab.")]
    names = ["nolab", *(name for name in found if "._" not in name and not name.startswith("nolab.conf"))]
    modules = {name: pdoc.doc.Module.from_name(name) for name in names}
    for name, module in modules.items():
        # pdoc leaves out the submodules that `__all__` does not name, which in nolab are most of them.
        module.submodules = [modules[other] for other in names if other.rpartition(".")[0] == name]
    modules["nolab"].docstring = f"{nolab.__doc__}\n\n{FRONT}"
    return modules


def sections(docstring: str) -> str:
    """Sections of our docstrings in Markdown: what stands after `name :` is words and no type, unlike numpydoc's."""
    return _SECTION.sub(_section, docstring)


def _section(match: re.Match[str]) -> str:
    lines = []
    for line in match["body"].rstrip("\n").split("\n"):
        if entry := _ENTRY.match(line):
            names = ", ".join(f"`{name}`" for name in entry["names"].split(", "))
            lines.append(f"- {names}: {entry['text']}" if entry["text"] else f"- {names}")
        else:
            lines.append(line)
    return f"**{match['title']}**\n\n" + "\n".join(lines) + "\n"


def _page(name: str) -> ModuleType:
    """A Markdown file as if it were a module's docstring."""
    file = DOCS / f"{name}.md"
    text = pdoc.docstrings.embed_images(file.read_text(encoding="utf-8"), file)
    return ModuleType(name, _LINK.sub(_link, text))


def _link(match: re.Match[str]) -> str:
    """Links between the pages; other files of the repository are named only."""
    page = match["file"].removesuffix(".md")
    return f"[{match['text']}]({page}.html)" if page in PAGES else f"`{match['text']}`"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
