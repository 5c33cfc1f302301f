"""The page at the service's root: what can be asked, with commands to copy, and which version answers."""

from typing import Any

from jinja2 import Environment, StrictUndefined

from tasks.serving.asked import COLUMNS
from tasks.serving.holder import Loaded

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{{ name }}</title>
<style>
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1rem; font: 1rem/1.55 system-ui, sans-serif; }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid #8886; border-radius: .6rem; }
th { text-align: left; padding-right: 1.5rem; font-weight: 600; white-space: nowrap; } td { color: #888; }
</style>
</head>
<body>
<h1>{{ name }}</h1>
<p>Version {{ version.version }} {{ version.aliases | join(" ") }}, {{ about.objective }} of {{ about.modality }}.</p>
{% if version.decision is defined %}<p>Why it holds that place: {{ version.decision }}.</p>{% endif %}
<h2>Ask</h2>
<pre>{{ example }}</pre>
{% if column == "content" %}<pre>curl -F files=@FILE {{ address }}/predict</pre>{% endif %}
<h2>Addresses</h2>
<table>
{% for path, methods in paths.items() %}{% for method, told in methods.items() %}
<tr><th>{{ method | upper }} {{ path }}</th><td>{{ told.summary }}</td></tr>
{% endfor %}{% endfor %}
<tr><th>GET /openapi.json</th><td>All of it as an OpenAPI document.</td></tr>
</table>
</body>
</html>
"""


def page(loaded: Loaded, openapi: dict[str, Any], address: str) -> str:
    """Return the page as HTML; it asks no other machine for anything."""
    column = COLUMNS[loaded.modality]
    row = '{"text": "..."}' if column == "text" else '{"content": "BASE64"}'
    example = f"curl -H 'Content-Type: application/json' -d '{{\"dataframe_records\": [{row}]}}' {address}/invocations"
    made = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE)
    return made.render(
        name=openapi["info"]["title"],
        version=loaded.version,
        about=loaded.predictor.about,
        column=column,
        example=example,
        address=address,
        paths=openapi["paths"],
    )
