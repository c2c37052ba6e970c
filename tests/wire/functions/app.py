# SPDX-License-Identifier: MIT
"""A function as users write them: what to do is in the event."""

import json
import os
import time


class Refusal(Exception):
    pass


CALLS = 0


def handler(event, context):
    global CALLS  # pylint: disable=global-statement
    CALLS += 1
    if "requestContext" in event:
        return answer_http(event)
    action = event.get("action", "echo")
    if action == "echo":
        return {"event": event, "calls": CALLS, "pid": os.getpid()}
    if action == "context":
        return {"request": context.aws_request_id, "name": context.function_name, "memory": context.memory_limit_in_mb,
                "left_ms": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn,
                "stream": context.log_stream_name, "version": context.function_version}
    if action == "raise":
        raise Refusal("not today: \u00e4 \"quoted\"")
    if action == "sleep":
        time.sleep(event["s"])
        return os.getpid()
    if action == "big":
        return "x" * event["bytes"]
    if action == "exit":
        os._exit(event["status"])  # pylint: disable=protected-access
    if action == "unserializable":
        return object()
    if action == "mark":
        with open(event["path"], "w", encoding="ascii") as file:
            file.write("here")
    return None


def answer_http(event):
    path, method = event["rawPath"], event["requestContext"]["http"]["method"]
    if path == "/raise":
        raise Refusal("not today")
    if path == "/nothing":
        return {"statusCode": 7}
    if path == "/bytes":
        return {"statusCode": 200, "headers": {"Content-Type": "application/octet-stream"}, "body": event["body"],
                "isBase64Encoded": event["isBase64Encoded"]}
    return {"statusCode": 201, "headers": {"X-Method": method}, "cookies": ["a=1", "b=2"], "body": json.dumps(event)}
