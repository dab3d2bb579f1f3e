"""Options of the commands that look at a trained dictionary, and how what they name is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import open_data, open_subject
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.structure.concepts.concept import Concept
    from gnomon.structure.dictionaries.ablation import Place
    from gnomon.structure.directions.method import Method
    from gnomon.subjects import Data, Subject

Directory = Annotated[Path, typer.Argument(help="Folder of the dictionary.")]
OfSubject = Annotated[str | None, typer.Option("--subject", help="Hugging Face directory or hub id, or an organism.")]
OfSite = Annotated[
    str | None, typer.Option("--site", help="Where its vectors are read; default: where it was trained.")
]
OfTarget = Annotated[str | None, typer.Option("--target-site", help="Of a transcoder; default: as it was trained.")]
Concepts = Annotated[list[Path] | None, typer.Option("--concept", help="Labelled texts: CSV, TSV or JSONL; repeat.")]
# --column, --label and --cluster are those of --data
ConceptColumn = Annotated[str | None, typer.Option("--concept-column", help="Column or field of a concept's texts.")]
ConceptLabel = Annotated[str | None, typer.Option("--concept-label", help="Column or field of a concept's labels.")]
ConceptCluster = Annotated[
    str | None,
    typer.Option("--concept-cluster", help="Column that groups a concept's texts that depend on each other."),
]
Finder = Annotated[str, typer.Option("--method", help="How a concept's direction is found.")]
Later = Annotated[
    str | None, typer.Option("--later", help="Where the effect on a concept is read; default: the last block.")
]


def open_place(
    directory: Path, subject: str, site: str | None, target: str | None, device: str
) -> tuple[Subject, Place, dict[str, Any]]:
    """The subject, where the dictionary stands in it, and the dictionary's document.

    Raises GnomonError when no site is known or the widths do not match.
    """
    from gnomon.structure.dictionaries import load_dictionary
    from gnomon.structure.dictionaries.ablation import Place

    dictionary, document = load_dictionary(directory)
    measured = open_subject(subject, device)
    reads = site or document.get("site")
    if reads is None:
        raise GnomonError(f"{directory} does not say at which site it was trained", mend="give --site")
    writes = target or document.get("target_site") or reads
    place = Place(dictionary.to(measured.device), reads, writes)
    for name, width in ((reads, dictionary.encoder.shape[1]), (writes, dictionary.decoder.shape[1])):
        measured.site(name)
        found = measured.widths.get(name, width)
        if found != width:
            raise GnomonError(
                f"{name} of {measured.name} has width {found}, the dictionary {width}",
                mend="give the subject and site that it was trained on",
            )
    return measured, place, document


def data_for(path: Path | None, subject: Subject, seed: int, **how: Any) -> Data:
    """The data at ``path``. Raises GnomonError when there is none."""
    found = open_data(path, subject, seed=seed, **how)
    if found is None:
        raise GnomonError("--data is missing", mend="give the texts or arrays to run the subject on")
    return found


def read_concepts(
    subject: Subject, paths: Sequence[Path] | None, position: str | None, overlong: str, **how: Any
) -> tuple[list[Concept], dict[str, Any]]:
    """The concepts in files, read as ``how`` says, and where in the texts of ``subject`` they are read.

    Texts are looked up in the network's vocabulary at once, so that what is wrong with them is said before the work.

    Raises GnomonError as `read_concept` and `located` do, without a position, on a graded concept, and when two have
    one name.
    """
    from gnomon.structure.concepts.positions import located
    from gnomon.structure.concepts.reading import read_concept

    if paths and position is None:
        raise GnomonError("--position is missing", mend="say where in each text: last, mean or span")
    where: dict[str, Any] = {"position": position, "overlong": "error" if overlong == "error" else "truncate"}
    found = [read_concept(path, **how) for path in paths or ()]
    for one in found:
        if sum(other.name == one.name for other in found) > 1:
            raise GnomonError(f"two concepts are called {one.name!r}", mend="rename a file")
        if one.kind == "graded":
            raise GnomonError(f"concept {one.name!r} is graded", mend="give texts with and without it")
        located(subject, one, **where)
    return found, where


def method_named(name: str) -> Method:
    """The method called ``name``, with its own defaults."""
    from gnomon.structure.directions.method import method

    return method(name)()


def later_site(subject: Subject, place: Place, given: str | None) -> str | None:
    """Where the effect on a concept is read: ``given``, or the last block after the dictionary's own site.

    Raises GnomonError when ``given`` comes before the site that the dictionary writes to.
    """
    sites = list(subject.sites)
    if given is not None:
        subject.site(given)
        if sites.index(given) <= sites.index(place.target):
            raise GnomonError(
                f"{given} does not come after {place.target}", mend="give a later site, or leave out --later"
            )
        return given
    blocks = [name for name in sites if name.startswith("blocks.") and name.count(".") == 1]
    if not blocks or sites.index(blocks[-1]) <= sites.index(place.target):
        return None
    return blocks[-1]
