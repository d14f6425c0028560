"""The independent judges of the contract: python3-jsonschema here, ajv and the official AsyncAPI parser in check.mjs."""
import json
import os
import subprocess

import pytest
from jsonschema import Draft202012Validator

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CONTRACT = os.path.join(ROOT, "config/contract")
SCHEMAS = ("record", "event", "status", "receipt", "request-status", "request-replay", "response", "seal", "manifest", "request-manifest",
           "response-manifest")


def schema(name):
    with open(os.path.join(CONTRACT, f"{name}.schema.json"), encoding="utf-8") as file:
        return json.load(file)


VALIDATORS = {name: Draft202012Validator(schema(name)) for name in SCHEMAS}


def faults(name, message):
    """What is wrong with a message, by the schema of that name; [] when nothing is."""
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in VALIDATORS[name].iter_errors(message)]


def node_is_ready():
    """False where the npm registry could not be reached: tests/run has said so."""
    return os.path.isdir(os.path.join(ROOT, "tests/node_modules/ajv"))


def judge_with_node(directory, messages, contract=CONTRACT):
    """Lets ajv and the AsyncAPI parser judge: (exit code, what they said). `messages` maps schema names to lists."""
    if not node_is_ready():
        pytest.skip("needs ajv and @asyncapi/parser from the npm registry, which could not be reached")
    arguments = []
    for name, several in messages.items():
        path = os.path.join(directory, f"{name}.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(message, ensure_ascii=False) + "\n" for message in several)
        arguments += [name, path]
    done = subprocess.run(["node", os.path.join(HERE, "check.mjs"), contract, *arguments], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr
