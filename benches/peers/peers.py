"""Who is measured, and in which set-ups."""

from __future__ import annotations

import dataclasses
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
RUNTIME = REPOSITORY / ".runtime"


@dataclasses.dataclass(frozen=True)
class Setup:
    """How many of what work at once."""

    # Processes of callers, and threads that compare in each.
    processes: int = 1
    threads: int = 1
    # Threads OpenCV may use for one call. 0: its default, all cores.
    cv_threads: int = 0
    # Worker processes of the subject's server. 0: there is none, or none to choose.
    workers: int = 0


def last_words(log: pathlib.Path) -> str:
    """The last line of a log, which says why something ended; empty without any."""
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    told = [line.strip() for line in lines if line.strip()]
    return told[-1] if told else ""


def counted(number: int, noun: str, plural: str = "s") -> str:
    """For example "1 caller", "2 callers"."""
    return f"{number} {noun}{'' if number == 1 else plural}"


@dataclasses.dataclass(frozen=True)
class Peer:
    """One row of the table."""

    name: str
    # The module of subjects/ that calls it.
    subject: str
    # The virtual environment that calls it, and runs it where it has no server of its own.
    environment: pathlib.Path
    # Folder of model files to give it. None: it brings its own.
    models: pathlib.Path | None = None
    # What padan's server is started with.
    options: tuple[str, ...] = ()
    # What one caller at a time works against.
    alone: Setup = Setup()
    # Tried briefly; the one that completes most is measured.
    saturation: tuple[Setup, ...] = ()

    def described(self, setup: Setup) -> str:
        """A set-up in words, with what matters to this subject."""
        if setup.workers:
            return f"{counted(setup.workers, 'server worker')}, {counted(setup.threads, 'caller')}"
        if self.subject == "padan":
            return counted(setup.threads, "caller")
        opencv = counted(setup.cv_threads, "OpenCV thread") if setup.cv_threads else "OpenCV's default threads"
        return f"{counted(setup.processes, 'process', 'es')} × {counted(setup.threads, 'thread')}, {opencv} each"

    def why_missing(self) -> str | None:
        """Why it cannot be measured. None: it is installed."""
        if (self.environment / ".installed").is_file():
            return None
        log = self.environment.with_name(f"{self.environment.name}.log")
        return last_words(log) or "set-up did not run: .setup/setup.sh python peers"


def all_peers(cores: int, runtime: pathlib.Path = RUNTIME) -> list[Peer]:
    """padan first: the others are compared with it."""
    folder = runtime / "peers"
    # In Python: OpenCV's own threads for one picture at a time, a thread for each core, or a process for each core.
    in_process = (Setup(), Setup(threads=cores, cv_threads=1), Setup(processes=cores, cv_threads=1))
    padan = Peer(
        name="padan",
        subject="padan",
        environment=runtime / "venv",
        saturation=tuple(Setup(threads=cores * factor) for factor in (1, 2, 4)),
    )
    return [
        padan,
        dataclasses.replace(padan, name="padan, 32 bits", options=("--embedder", "sface_2021dec")),
        Peer(
            name="OpenCV",
            subject="opencv",
            environment=folder / "opencv",
            models=runtime / "published",
            saturation=in_process,
        ),
        Peer(
            name="verifyface",
            subject="verifyface",
            environment=folder / "verifyface",
            saturation=in_process,
        ),
        Peer(
            name="verifyface, published models",
            subject="verifyface",
            environment=folder / "verifyface",
            models=folder / "models" / "verifyface",
            saturation=in_process,
        ),
        Peer(
            name="deepface",
            subject="deepface",
            environment=folder / "deepface",
            models=folder / "models" / "deepface",
            # What its documentation starts.
            alone=Setup(workers=1),
            saturation=(
                Setup(threads=cores, workers=1),
                Setup(threads=cores, workers=cores),
                Setup(threads=2 * cores, workers=cores),
            ),
        ),
    ]
