"""Companion's descriptions of the blocks, rendered from the table in ``specs.py``.

``python -m sdrjscc.grblocks.render`` writes ``flowgraphs/blocks/*.block.yml`` anew; with ``--check``
it only says which of them are not what the table gives.
"""

import json
import sys
from functools import cache
from pathlib import Path

from jinja2 import Environment, Template

from sdrjscc.bundled import bundled_folder
from sdrjscc.files import write_text_atomic
from sdrjscc.grblocks.spec import Block, Parameter, Port
from sdrjscc.grblocks.specs import BLOCKS

SUFFIX = ".block.yml"

REMEDY = "sdrjscc cannot be imported by this Companion: start it with: sdrjscc grc"
"""Companion quotes an assertion that does not hold at the block, and this is in every block's first."""

IMPORTS = (
    # One line, that begins with import: Companion writes those once, however many blocks have them.
    # In Companion itself __name__ is another, and the assertion speaks.
    'import importlib.util, sys; importlib.util.find_spec("sdrjscc") or __name__ != "__main__" or '
    'sys.exit(f"sdrjscc cannot be imported by {sys.executable}: start this with: sdrjscc grc run")',
    "from sdrjscc import grblocks",
)

_TEMPLATE = """\
# Rendered from sdrjscc/grblocks/specs.py by: python -m sdrjscc.grblocks.render
id: {{ block.id }}
label: {{ block.label | quoted }}
category: '[sdrjscc]'
flags: [ {{ flags(block) | join(", ") }} ]

{% if block.parameters %}
parameters:
{% for parameter in block.parameters %}
- id: {{ parameter.id }}
  label: {{ parameter.label | quoted }}
  dtype: {{ parameter.dtype }}
  default: {{ parameter.default | quoted }}
{% if options(parameter) %}
  options: [ {{ options(parameter) | map("quoted") | join(", ") }} ]
{% endif %}
{% if parameter.labels %}
  option_labels: [ {{ parameter.labels | map("quoted") | join(", ") }} ]
{% endif %}
{% if parameter.hide != "none" %}
  hide: {{ parameter.hide }}
{% endif %}
{% if parameter.category %}
  category: {{ parameter.category | quoted }}
{% endif %}
{% endfor %}

{% endif %}
{% if block.variable %}
value: {{ value(block) | quoted }}

{% endif %}
{% for name, ports in (("inputs", block.inputs), ("outputs", block.outputs)) if ports %}
{{ name }}:
{% for port in ports %}
- domain: {{ port.domain }}
{% if port.domain == "stream" %}
  label: {{ port.id }}
  dtype: complex
{% if port.multiplicity %}
  multiplicity: {{ ("${ " + port.multiplicity + " }") | quoted }}
{% endif %}
{% else %}
  id: {{ port.id }}
{% endif %}
{% if port.optional %}
  optional: true
{% endif %}
{% endfor %}

{% endfor %}
asserts:
{% for condition in asserts(block) %}
- {{ condition | quoted }}
{% endfor %}

templates:
  imports: |-
{% for line in imports %}
    {{ line }}
{% endfor %}
  {{ "var_make" if block.variable else "make" }}: |-
{% for line in make(block) %}
    {{ line }}
{% endfor %}
{% for parameter in block.parameters if parameter.setter %}
{% if loop.first %}
  callbacks:
{% endif %}
  - set_{{ parameter.id }}({{ argument(parameter) }})
{% endfor %}

documentation: |-
{% for line in documentation(block) %}
  {{ line }}
{% endfor %}

file_format: 1
"""


def render(block: Block) -> str:
    """A block's description, as Companion reads it."""
    text = _template().render(
        block=block,
        imports=IMPORTS,
        flags=_flags,
        options=_options,
        value=_value,
        asserts=_asserts,
        make=_make,
        argument=_argument,
        documentation=_documentation,
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))


def descriptions() -> dict[str, str]:
    """Every description by its file's name."""
    return {block.id + SUFFIX: render(block) for block in BLOCKS}


def stale(folder: Path) -> list[str]:
    """Names of files that are missing in a folder, differ from their rendering, or are no block's."""
    wanted = descriptions()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*" + SUFFIX)}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> list[str]:
    """Bring a folder up to the table; names of the files that changed."""
    changed, wanted = stale(folder), descriptions()
    for name in changed:
        if name in wanted:
            write_text_atomic(folder / name, wanted[name])
        else:
            (folder / name).unlink()
    return changed


def main(arguments: list[str]) -> int:
    """What ``python -m`` does: 1 where ``--check`` finds something."""
    folder, check = bundled_folder("flowgraphs") / "blocks", arguments == ["--check"]
    names = stale(folder) if check else write(folder)
    sys.stdout.writelines(f"{'stale' if check else 'wrote'}: {name}\n" for name in names)
    return int(check and bool(names))


@cache
def _template() -> Template:
    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["quoted"] = _quoted
    return environment.from_string(_TEMPLATE)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if "'" in text else f"'{text}'"


def _flags(block: Block) -> list[str]:
    return ["python", *["show_id"] * block.variable, *["need_qt_gui"] * block.gui]


def _options(parameter: Parameter) -> tuple[str, ...]:
    return ("False", "True") if parameter.dtype == "bool" else parameter.options


def _asserts(block: Block) -> list[str]:
    return [f"${{ grblocks and '{REMEDY}' }}", *block.asserts]


def _value(block: Block) -> str:
    """What Companion takes for the variable: its description, or an error to be shown at the block."""
    names = ", ".join(parameter.id for parameter in block.parameters)
    return f'${{ grblocks.describe_link({names}) if "grblocks" in dir() else None }}'


def _make(block: Block) -> list[str]:
    call = f"grblocks.{block.make}({', '.join(_arguments(block))})"
    if block.variable:
        return [f"self.${{id}} = ${{id}} = {call}"]
    if not block.gui:
        return [call]
    return ["<% win = 'self._%s_win' % id %>\\", call, "${win} = self.${id}.widget", "${gui_hint() % win}"]


def _arguments(block: Block) -> list[str]:
    given = [parameter for parameter in block.parameters if parameter.dtype != "gui_hint"]
    return [f"{parameter.id}={_argument(parameter)}" for parameter in given]


def _argument(parameter: Parameter) -> str:
    """Companion gives options as they are, all else as Python."""
    return f"'${{{parameter.id}}}'" if parameter.dtype == "enum" else f"${{{parameter.id}}}"


def _documentation(block: Block) -> list[str]:
    lines = [line for paragraph in block.doc.split("\n") for line in (paragraph, "")]
    lines += [f"{parameter.label}: {_explained(parameter)}" for parameter in block.parameters]
    for name, ports in (("Inputs", block.inputs), ("Outputs", block.outputs)):
        if ports:
            lines += ["", f"{name}:", *(_line(port) for port in ports)]
    return lines


def _explained(parameter: Parameter) -> str:
    return parameter.doc + " Can change while it runs." * parameter.setter


def _line(port: Port) -> str:
    return f"  {port.id} ({port.domain}{', may stay open' * port.optional}): {port.doc}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
