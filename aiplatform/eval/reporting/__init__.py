"""Reports of evaluation: one HTML file, a PDF of it, Markdown and JUnit for pipelines."""
