"""Figures as files, and as drawings that stand in a page without any script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import vl_convert

from gnomon.report.figures.figure import Figure

_PIXELS = 1.5  # of the PNG for one of the drawing; SVG and PDF are the ones to print
_IDENTIFIERS = re.compile(r'(id="|url\(#)((?:clip|gradient_)\d+)')


@dataclass(frozen=True)
class Drawn:
    """A figure with its drawing."""

    figure: Figure
    svg: str

    @property
    def inline(self) -> str:
        """The drawing for a page that holds several: its identifiers are its own, and it scales."""
        prefix = f"{self.figure.key}-"
        return _IDENTIFIERS.sub(lambda m: f"{m[1]}{prefix}{m[2]}", self.svg)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """File names and contents: the specification, SVG, PDF and PNG."""
        spec = json.dumps(dict(self.figure.spec), indent=1, ensure_ascii=False)
        yield f"{self.figure.key}.vl.json", spec.encode()
        yield f"{self.figure.key}.svg", self.svg.encode()
        yield f"{self.figure.key}.pdf", vl_convert.svg_to_pdf(self.svg)
        yield f"{self.figure.key}.png", vl_convert.svg_to_png(self.svg, scale=_PIXELS)


def draw(figure: Figure) -> Drawn:
    """Render ``figure``. No network is used."""
    svg: str = vl_convert.vegalite_to_svg(dict(figure.spec), allowed_base_urls=[])
    return Drawn(figure, svg)


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one classic script (BSD-3-Clause; see `LICENCE`)."""
    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    return f"(function(){{{bundle}}})();"


LICENCE = """\
Vega, Vega-Lite, Vega-Embed and Vega-Tooltip: Copyright (c) 2013-2025, University of Washington Interactive Data Lab
and contributors. All rights reserved. Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met: 1. Redistributions of source code must
retain the above copyright notice, this list of conditions and the following disclaimer. 2. Redistributions in binary
form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the
documentation and/or other materials provided with the distribution. 3. Neither the name of the copyright holder nor
the names of its contributors may be used to endorse or promote products derived from this software without specific
prior written permission. THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS
OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A
PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT,
INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF
SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY
WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE."""
