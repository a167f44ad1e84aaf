# Copyright (C) the Warren authors
#
# Validates values against the schemas of an OpenAPI 3.1 file: reads a line of
# JSON, {"pointer": of the schema, "value": any}, and writes one, the errors.
# {"check": true} is about the schemas themselves.
#
# It is stricter than the file: an object has no members but those described,
# unless its schema says additionalProperties.  Clients are told to ignore what
# they do not know; a test does not.

import json
import re
import sys

from jsonschema import Draft202012Validator, FormatChecker

formats = FormatChecker(formats=["uuid"])
when = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@formats.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or when.fullmatch(value) is not None


def schemas(node):
    """All schemas of the file, wherever they stand."""

    if isinstance(node, dict):
        for name, child in node.items():
            if name == "schema":
                yield child
            elif name == "schemas":
                yield from child.values()
            else:
                yield from schemas(child)

    elif isinstance(node, list):
        for child in node:
            yield from schemas(child)


def close(schema):
    if isinstance(schema, dict):
        if "properties" in schema and "$ref" not in schema:
            schema.setdefault("additionalProperties", False)

        for name, child in schema.items():
            if name in ("properties", "$defs", "patternProperties"):
                for member in child.values():
                    close(member)
            else:
                close(child)

    elif isinstance(schema, list):
        for child in schema:
            close(child)


def errors_of(request, document):
    if request.get("check"):
        found = []

        for schema in schemas(document):
            for error in Draft202012Validator(
                    Draft202012Validator.META_SCHEMA).iter_errors(schema):
                found.append("%s: %s" % (json.dumps(schema)[:80],
                                         error.message))

        return found

    validator = Draft202012Validator(
        {**document, "$ref": "#" + request["pointer"]},
        format_checker=formats)

    return ["/%s: %s" % ("/".join(map(str, error.absolute_path)),
                         error.message[:400])
            for error in validator.iter_errors(request["value"])]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)

    for schema in schemas(document):
        close(schema)

    for line in sys.stdin:
        print(json.dumps(errors_of(json.loads(line), document)), flush=True)


main()
