"""Calls that cost money or time: asked once, kept, limited, and never paid for twice."""

from aiplatform.eval.calling.chat import Caller, ChatEndpoint, ChatReply, ChatRequest

__all__ = ["Caller", "ChatEndpoint", "ChatReply", "ChatRequest"]
