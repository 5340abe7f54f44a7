"""The query language of traces: one in pages, REST, command line and Python."""

from aiplatform.tracing.query.errors import QueryError
from aiplatform.tracing.query.filters import filter_of, line_of, node_of, read_filter
from aiplatform.tracing.query.parser import Parsed, parse
from aiplatform.tracing.query.printing import show

__all__ = ["Parsed", "QueryError", "filter_of", "line_of", "node_of", "parse", "read_filter", "show"]
