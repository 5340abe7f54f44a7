"""Asks the deployed assistant through the stock OpenAI client, as any program would."""

from __future__ import annotations

import os
import sys

import openai
from openai.types.chat import ChatCompletionMessageParam

import aiplatform as aip

PROJECT = os.environ.get("AIPLATFORM_PROJECT", "default")
QUESTION = "Why are floating-point calculations so inaccurate?"


def main() -> None:
    """Print the answer as it streams in, then what it rests on."""
    question = " ".join(sys.argv[1:]) or QUESTION
    headers = {"x-aiplatform-project": PROJECT}
    client = openai.OpenAI(base_url=aip.openai_url(), api_key=aip.api_key(), default_headers=headers)
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
    for piece in client.chat.completions.create(model="docs-assistant", messages=messages, stream=True):
        for choice in piece.choices:
            print(choice.delta.content or "", end="", flush=True)
    whole = client.chat.completions.with_raw_response.create(model="docs-assistant", messages=messages)
    details = (whole.parse().choices[0].message.model_extra or {})["aiplatform"]
    print(f"\n\nabstained:  {details['abstained']}\nconfidence: {details['confidence']:.3f}")
    print(f"cites:      {', '.join(details['citations']) or '-'}")
    print(f"trace:      {whole.headers['x-trace-id']}")


if __name__ == "__main__":
    main()
