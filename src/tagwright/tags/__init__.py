"""Tag schemes, label maps, the one decoder and valid-tag decoding."""

from tagwright.tags.labels import LabelMap, convert_tags, detect_scheme, offsets_of, repair_tags, spans_of
from tagwright.tags.scheme import Scheme, join_tag, split_tag
from tagwright.tags.spans import Spans, decode, encode, invalid
from tagwright.tags.viterbi import best_valid_tags

__all__ = [
    "LabelMap",
    "Scheme",
    "Spans",
    "best_valid_tags",
    "convert_tags",
    "decode",
    "detect_scheme",
    "encode",
    "invalid",
    "join_tag",
    "offsets_of",
    "repair_tags",
    "spans_of",
    "split_tag",
]
