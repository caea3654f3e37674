"""Our blocks in the user's own Companion, and Companion with them in the desktop's menu."""

import os
import sys
from pathlib import Path

from sdrjscc.files import write_text_atomic
from sdrjscc.grblocks.companion import blocks_folder, require_gnuradio

LAUNCHER = "sdrjscc-companion.desktop"
_MARK = "X-sdrjscc=grc install"
_DESKTOP = """\
[Desktop Entry]
Version=1.0
Type=Application
Name=GNU Radio Companion with sdrjscc
Comment=Flowgraphs with the blocks of sdrjscc
Exec={python} -m sdrjscc grc %f
TryExec={try_python}
Icon=gnuradio-grc
Categories=Development;HamRadio;Science;
Terminal=false
{mark}
"""


def install() -> list[str]:
    """Link the blocks into the folder that Companion reads for this user, and add a launcher.

    Returns:
        What was done, a sentence each; empty: it was all there.

    Raises:
        CompanionError: there is no GNU Radio.
        OSError: as the file system says.
    """
    done = []
    missing = [link for link, target in _links().items() if not _points(link, target)]
    taken = [link for link in missing if link.exists() and not _is_ours(link)]
    added = [link for link in missing if link not in taken]
    for link in added:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(_links()[link])
    outdated = [link for link in _found() if link not in _links()]
    for link in outdated:
        link.unlink()
    if added:
        done.append(f"linked {len(added)} blocks into {added[0].parent}")
    done += [f"removed {link}, which is no block any more" for link in outdated]
    done += [f"left {link} as it is: it is not of this command" for link in taken]
    return done + _install_launcher()


def uninstall() -> list[str]:
    """Take away what :func:`install` added, and nothing else.

    Returns:
        What was done, a sentence each; empty: there was nothing.

    Raises:
        CompanionError, OSError: as :func:`install`.
    """
    done, links, folder = [], _found(), _folder()
    for link in links:
        link.unlink()
    if links:
        done.append(f"removed {len(links)} blocks from {folder}")
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    path = launcher()
    if _is_our_launcher(path):
        path.unlink()
        done.append(f"removed {path}")
    return done


def is_installed() -> bool:
    """Whether Companion finds exactly our files in the user's folder."""
    return set(_found()) == set(_links()) and all(_points(*entry) for entry in _links().items())


def launcher() -> Path:
    """The desktop launcher, where the XDG specification has a user's own."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "applications" / LAUNCHER


def _install_launcher() -> list[str]:
    path, text = launcher(), _launcher_text()
    if path.exists() and not _is_our_launcher(path):
        return [f"left {path} as it is: it is not of this command"]
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return []
    write_text_atomic(path, text)
    return [f"wrote {path}"]


def _launcher_text() -> str:
    # the specification's quoting: a string with escapes inside of a string with escapes; % is a field
    quoted = sys.executable.replace("\\", "\\\\\\\\").replace("%", "%%")
    for letter in '"`$':
        quoted = quoted.replace(letter, f"\\\\{letter}")
    try_python = sys.executable.replace("\\", "\\\\")
    return _DESKTOP.format(python=f'"{quoted}"', try_python=try_python, mark=_MARK)


def _is_our_launcher(path: Path) -> bool:
    return path.is_file() and _MARK in path.read_text(encoding="utf-8", errors="replace").splitlines()


def _folder() -> Path:
    """Our own folder in the one that Companion reads first; links to folders it would not look into."""
    require_gnuradio()
    from gnuradio.grc.core.Config import Config

    return Path(os.path.expandvars(Config.hier_block_lib_dir)).expanduser() / "sdrjscc"


def _links() -> dict[Path, Path]:
    """What each link must point to."""
    folder = _folder()
    return {folder / path.name: path for path in sorted(blocks_folder().glob("*.block.yml"))}


def _found() -> list[Path]:
    """The links of this command that are there, of another version or environment perhaps."""
    return sorted(path for path in _folder().glob("*.block.yml") if _is_ours(path))


def _points(link: Path, target: Path) -> bool:
    return link.is_symlink() and link.readlink() == target


def _is_ours(link: Path) -> bool:
    """Whether it is a link to a bundled block: of this package, or of one that is gone."""
    return link.is_symlink() and link.readlink().parts[-3:] == ("flowgraphs", "blocks", link.name)
