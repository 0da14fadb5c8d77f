"""The HTTP interface as OpenAPI 3.1, written from the same forms as the pages."""

from __future__ import annotations

from typing import Any

import smalti
from smalti.web.limits import Limits
from smalti.web.models import Models
from smalti.web.registry import Registry, WebTask
from smalti.web.schema import JSON_TYPES, make_field, to_json_schema

Spec = dict[str, Any]
JSON_CONTENT = "application/json"
OBJECT: Spec = {"type": "object"}
PICTURE: Spec = {
    "type": "object",
    "description": "A file that was uploaded before.",
    "required": ["upload"],
    "properties": {"upload": {"type": "string", "description": "the id of the upload"}},
}
ERROR: Spec = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "one line: what to do"}},
}
JOB: Spec = {
    "type": "object",
    "required": ["id", "task", "state"],
    "properties": {
        "id": {"type": "string"},
        "task": {"type": "string"},
        "arguments": OBJECT,
        "state": {"enum": ["waiting", "running", "done", "failed", "cancelled"]},
        "position": {"type": "integer", "description": "jobs that run before it"},
        "wait_seconds": {"type": ["number", "null"]},
        "seconds_left": {"type": ["number", "null"]},
        "progress": {"type": ["object", "null"]},
        "result": OBJECT,
        "files": {"type": "array", "items": OBJECT},
        "lines": OBJECT,
        "error": {"type": "string"},
    },
}


def make_openapi(registry: Registry, models: Models, limits: Limits) -> Spec:
    """The document of a server's interface."""
    tasks = {
        name: describe_arguments(task, models, limits) for name, task in registry.tasks.items()
    }
    schemas = {"Picture": PICTURE, "Error": ERROR, "Job": JOB}
    schemas |= {f"{name}.arguments": schema for name, schema in tasks.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smalti studio",
            "version": smalti.__version__,
            "description": "Ask for a job, follow its events, fetch its files.",
        },
        "paths": make_paths(registry),
        "components": {"schemas": schemas},
    }


def describe_arguments(task: WebTask, models: Models, limits: Limits) -> Spec:
    """The JSON Schema of a task's arguments, whatever the model."""
    docs = task.read_docs()
    properties: dict[str, Spec] = {}
    required: list[str] = []
    for name, parameter in task.list_parameters().items():
        if parameter.default is parameter.empty:
            required.append(name)
        help = docs.get(name, "")
        if name in task.uploads:
            several = "Sequence" in str(parameter.annotation)
            field = {"name": name, "kind": "picture", "help": help, "multiple": several}
        elif name in task.data:
            field = {"name": name, "kind": "data", "help": help}
        elif name in task.runs:
            field = {"name": name, "kind": "text", "help": help}
        elif name in ("model", "size", "sampler", "conditions", "classes", "codes"):
            field = {"name": name, "kind": name, "help": help}
        elif name in task.choices:
            choices = task.list_choices(name)
            field = {"name": name, "kind": "choice", "help": help, "choices": choices}
        elif name == "text":
            field = {"name": name, "kind": "texts", "help": help}
        else:
            made = make_field(name, parameter.annotation, parameter.default, help)
            if made is None or made["kind"] not in JSON_TYPES:
                continue
            field = made
        properties[name] = to_json_schema(field)
        if name == "model":
            properties[name]["enum"] = models.list_able(task.ability)  # type: ignore[arg-type]
        if name in ("n", "frames"):
            properties[name]["maximum"] = task.pictures or limits.pictures
    return {
        "type": "object",
        "description": (task.load_function().__doc__ or "").partition("\n")[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def make_paths(registry: Registry) -> Spec:
    """All addresses."""
    job, error = {"$ref": "#/components/schemas/Job"}, {"$ref": "#/components/schemas/Error"}
    bodies = [
        {
            "type": "object",
            "required": ["task", "arguments"],
            "properties": {
                "task": {"const": name},
                "arguments": {"$ref": f"#/components/schemas/{name}.arguments"},
            },
        }
        for name in registry.tasks
    ]
    job_id = describe_parameter("id", "path", "the job's id")
    return {
        "/api/studio": {"get": describe("Pages, tasks and limits of this server.", OBJECT)},
        "/api/models": {"get": describe("The models, and what they accept.", OBJECT)},
        "/api/forms/{task}": {
            "get": describe("The options of a task for a model, with its defaults.", OBJECT)
            | {
                "parameters": [
                    describe_parameter("task", "path", "a task"),
                    describe_parameter("model", "query", "a model's name"),
                ]
            }
        },
        "/api/uploads": {
            "post": describe("Upload a picture; the body is the file.", PICTURE, error)
            | {
                "parameters": [describe_parameter("name", "query", "the file's name")],
                "requestBody": {"content": {"application/octet-stream": {"schema": {}}}},
            }
        },
        "/api/archives": {
            "post": describe("Upload a folder of pictures; the body is a zip.", PICTURE, error)
            | {
                "parameters": [describe_parameter("name", "query", "the folder's name")],
                "requestBody": {"content": {"application/octet-stream": {"schema": {}}}},
            },
            "get": describe("Your uploaded folders.", {"type": "array", "items": PICTURE}),
        },
        "/api/runs/{name}": {
            "delete": describe("Remove a run that the server keeps for you.", OBJECT, error)
            | {"parameters": [describe_parameter("name", "path", "the run's name")]}
        },
        "/api/models/{name}/picture": {
            "get": {
                "summary": "What a model makes, as a picture.",
                "parameters": [describe_parameter("name", "path", "the model's name")],
                "responses": {"200": {"description": "a PNG file"}},
            }
        },
        "/api/jobs": {
            "get": describe("Your jobs, the oldest first.", {"type": "array", "items": job}),
            "post": describe("Ask for a job.", job, error)
            | {"requestBody": {"content": {JSON_CONTENT: {"schema": {"oneOf": bodies}}}}},
        },
        "/api/jobs/{id}": {
            "get": describe("One job.", job, error) | {"parameters": [job_id]},
            "delete": describe("Cancel a job, or remove one that is over.", job, error)
            | {"parameters": [job_id]},
        },
        "/api/jobs/{id}/events": {
            "get": describe_stream("A job's states, until it is over.") | {"parameters": [job_id]}
        },
        "/api/jobs/{id}/files/{name}": {
            "get": {
                "summary": "A file of a job's result.",
                "parameters": [job_id, describe_parameter("name", "path", "the file's name")],
                "responses": {"200": {"description": "the file"}},
            }
        },
        "/api/events": {"get": describe_stream("The states of all your jobs.")},
    }


def describe_parameter(name: str, place: str, help: str) -> Spec:
    """A part of an address."""
    parameter: Spec = {"name": name, "in": place, "description": help, "schema": {"type": "string"}}
    return parameter | ({"required": True} if place == "path" else {})


def describe(summary: str, schema: Spec, error: Spec | None = None) -> Spec:
    """An operation that answers with JSON."""
    responses = {"200": {"description": "OK", "content": {JSON_CONTENT: {"schema": schema}}}}
    if error is not None:
        content = {JSON_CONTENT: {"schema": error}}
        responses["4XX"] = {"description": "one line that says what to do", "content": content}
    return {"summary": summary, "responses": responses}


def describe_stream(summary: str) -> Spec:
    """An operation that answers with a stream of events."""
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": "OK", "content": content}}}
