"""Dictionaries: sparse autoencoders and transcoders."""

from gnomon.structure.dictionaries.architectures import (
    KINDS,
    architecture,
    build,
    load_dictionary,
    save_dictionary,
)
from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary, Loss
from gnomon.structure.dictionaries.rows import ArrayRows, Rows, SiteRows
from gnomon.structure.dictionaries.training import Progress, Trained, Training, train

__all__ = [
    "KINDS",
    "Architecture",
    "ArrayRows",
    "Codes",
    "Dictionary",
    "Loss",
    "Progress",
    "Rows",
    "SiteRows",
    "Trained",
    "Training",
    "architecture",
    "build",
    "load_dictionary",
    "save_dictionary",
    "train",
]
