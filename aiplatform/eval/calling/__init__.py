"""Calls that cost money or time: asked once, kept, limited, and never paid for twice."""

from aiplatform.eval.calling.chat import Caller, ChatEndpoint, ChatReply, ChatRequest
from aiplatform.eval.calling.scope import active_caller
from aiplatform.eval.calling.stopping import stops_run

__all__ = ["Caller", "ChatEndpoint", "ChatReply", "ChatRequest", "active_caller", "stops_run"]
