"""The shapes of requests and answers, in OpenAPI's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tagwright.serve.models import Bundle
from tagwright.serve.requests import OVERFLOWS
from tagwright.serve.settings import Settings

__all__ = ["options", "reference", "schemas"]


def options(bundles: Sequence[Bundle]) -> dict[str, dict[str, Any]]:
    """Return the schema of each option of a request, with its description."""
    types = sorted(set().union(*(bundle.types for bundle in bundles)))
    return {
        "model": {
            "type": "string",
            "enum": [bundle.name for bundle in bundles],
            "description": "Which model; the first when left out.",
        },
        "min_score": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Entities that score under it are left out.",
        },
        "types": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": types} if types else {"type": "string"},
            "description": "Which types of entities to give; all when left out.",
        },
        "on_overflow": {
            "type": "string",
            "enum": list(OVERFLOWS),
            "description": "What to do with a text that is longer than the model takes at once: cut it into "
            "overlapping windows, refuse it, or cut off its end; what the bundle says when left out.",
        },
        "tokens": {"type": "boolean", "description": "Give the words and their tags, too."},
    }


def schemas(bundles: Sequence[Bundle], settings: Settings) -> dict[str, Any]:
    """Return the schemas that requests and answers are described by, by their names."""
    contents: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "texts": {"type": "array", "items": {"type": "string"}, "maxItems": settings.max_texts},
        "words": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "maxItems": settings.max_words},
            "maxItems": settings.max_texts,
        },
    }
    given = {
        name: {
            "anyOf": [{k: v for k, v in option.items() if k != "description"}, {"type": "null"}],
            "description": option["description"],
        }
        for name, option in options(bundles).items()
    }
    variants = [
        {
            "type": "object",
            "title": f"By {name}",
            "required": [name],
            "additionalProperties": False,
            "properties": {
                **{
                    other: content if other == name else {"type": "null"}
                    for other, content in contents.items()
                },
                **given,
            },
        }
        for name in contents
    ]
    count = {"type": "integer", "minimum": 0}
    strings = {"type": "array", "items": {"type": "string"}}
    entity = {
        "label": {"type": "string"},
        **dict.fromkeys(("start", "end", "word_start", "word_end"), count),
        "text": {"type": "string"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
    }
    result = {
        "entities": {"type": "array", "items": reference("Entity")},
        "words": count,
        "lost_words": {**count, "description": "Words that were cut off; only where there are some."},
        "tokens": strings,
        "tags": strings,
    }
    error = {"code": {"type": "string"}, "message": {"type": "string"}, "place": {"type": "string"}}
    model = {
        "name": {"type": "string"},
        "default": {"type": "boolean"},
        "ready": {"type": "boolean"},
        "types": strings,
        "scheme": {"type": "string"},
        "splitter": {"type": "string"},
        "max_pieces": count,
        "on_overflow": {"type": "string", "enum": list(OVERFLOWS)},
        "runtime": {"type": "string"},
        "precision": {"type": ["string", "null"]},
        "device": {"type": ["string", "null"]},
        "calibrated": {"type": "boolean"},
        "scores": {"type": "object"},
        "made": {"type": "object"},
        "export": {"type": "object"},
    }
    return {
        "Request": {"oneOf": variants},
        "Answer": _object(
            {"model": {"type": "string"}, "results": {"type": "array", "items": reference("Result")}}
        ),
        "Result": _object(result, required=("entities", "words")),
        "Entity": _object(entity),
        "Models": _object({"models": {"type": "array", "items": reference("Model"), "minItems": 1}}),
        "Model": _object(model),
        "Health": _object({"status": {"type": "string"}}),
        "Refusal": _object({"error": reference("Error"), "request_id": {"type": "string"}}),
        "Error": _object(error, required=("code", "message")),
    }


def _object(properties: dict[str, Any], *, required: Sequence[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }


def reference(name: str) -> dict[str, str]:
    """Return what stands for a schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}
