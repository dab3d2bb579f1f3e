"""Dictionaries: sparse autoencoders and transcoders."""

from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.dictionary import Dictionary

__all__ = ["Codes", "Dictionary"]
