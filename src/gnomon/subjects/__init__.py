"""Subjects: networks, how to feed them, and where to look inside."""

from gnomon.subjects.accumulate import PassReport, accumulate
from gnomon.subjects.batch import Batch
from gnomon.subjects.capture import capture
from gnomon.subjects.data import ArrayData, Data, Masking, TokenData
from gnomon.subjects.edit import visiting
from gnomon.subjects.files import load_data
from gnomon.subjects.load import load
from gnomon.subjects.losses import CrossEntropy, Loss, MaskedToken, NextToken, Predictions, SquaredError
from gnomon.subjects.parametric import Parameters, Parametric, flat, trainable
from gnomon.subjects.rows import RowAccumulator, RowSample
from gnomon.subjects.sites import Site
from gnomon.subjects.statistic import Accumulator, Captured, Reads, ScalarOutput, Statistic
from gnomon.subjects.stream import StreamedActivations, stream_to_files
from gnomon.subjects.subject import Subject
from gnomon.subjects.weights import WeightMatrix

__all__ = [
    "Accumulator",
    "ArrayData",
    "Batch",
    "Captured",
    "CrossEntropy",
    "Data",
    "Loss",
    "MaskedToken",
    "Masking",
    "NextToken",
    "Parameters",
    "Parametric",
    "PassReport",
    "Predictions",
    "Reads",
    "RowAccumulator",
    "RowSample",
    "ScalarOutput",
    "Site",
    "SquaredError",
    "Statistic",
    "StreamedActivations",
    "Subject",
    "TokenData",
    "WeightMatrix",
    "accumulate",
    "capture",
    "flat",
    "load",
    "load_data",
    "stream_to_files",
    "trainable",
    "visiting",
]
