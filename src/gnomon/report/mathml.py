"""LaTeX as MathML, which every browser typesets without help and a screen reader can speak.

Reads the part of LaTeX that definitions of quantities use; what it cannot read is shown as its source.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S", re.DOTALL)
_DIGIT = re.compile(r"\s*(\d)")
_RAW_GROUP = re.compile(r"\s*\{([^{}\\$]*)\}")
_MATHS_IN_PROSE = re.compile(r":math:`([^`]+)`|\$([^$]+)\$|``([^`]+)``")
_LONGEST = 2000
_DEEPEST = 40

_IDENTIFIERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ",
    "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ", "infty": "∞", "partial": "∂", "nabla": "∇", "hbar": "ℏ", "emptyset": "∅",
    "top": "⊤", "varsigma": "ς", "vartheta": "ϑ",
}  # fmt: skip
_OPERATORS = {
    "cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈",
    "sim": "∼", "propto": "∝", "in": "∈", "notin": "∉", "subset": "⊂", "subseteq": "⊆", "to": "→",
    "rightarrow": "→", "leftarrow": "←", "mapsto": "↦", "pm": "±", "mp": "∓", "perp": "⊥", "parallel": "∥",
    "forall": "∀",
    "exists": "∃", "dots": "…", "ldots": "…", "cdots": "⋯", "mid": "∣", "|": "‖", "Vert": "‖", "lVert": "‖",
    "rVert": "‖", "vert": "|", "lvert": "|", "rvert": "|", "langle": "⟨", "rangle": "⟩", "lfloor": "⌊",
    "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "odot": "⊙", "otimes": "⊗", "oplus": "⊕", "circ": "∘", "star": "⋆",
    "ast": "∗", "prime": "′", "setminus": "∖", "cup": "∪", "cap": "∩", "int": "∫", "ll": "≪", "gg": "≫",
    "equiv": "≡", "coloneqq": "≔", "lbrace": "{", "rbrace": "}", "{": "{", "}": "}", "%": "%", "&": "&", "_": "_",
    "#": "#", "$": "$", "colon": ":", "Rightarrow": "⇒", "land": "∧", "lor": "∨", "neg": "¬", "iff": "⟺",
}  # fmt: skip
_LIMITS = {"sum": "∑", "prod": "∏", "bigcup": "⋃", "bigcap": "⋂"}
_NAMED_LIMITS = {"max", "min", "sup", "inf", "lim"}
_FUNCTIONS = {
    "log", "ln", "exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "det", "dim", "ker",
    "arg", "Pr", "deg", "gcd",
}  # fmt: skip
_SPACES = {",": "0.17em", ":": "0.22em", ";": "0.28em", "!": "0", " ": "0.25em", "quad": "1em", "qquad": "2em"}
_ACCENTS = {
    "hat": "^", "widehat": "^", "bar": "‾", "overline": "‾", "tilde": "~", "widetilde": "~", "vec": "→", "dot": "˙",
    "ddot": "¨",
}  # fmt: skip
_UPRIGHT = {"mathrm", "operatorname", "textrm", "mathsf", "mathtt", "text", "textit", "mbox"}
_STYLES = {"mathbf": 0x1D400, "boldsymbol": 0x1D400, "mathcal": 0x1D4D0, "mathbb": 0x1D538, "mathfrak": 0x1D56C}
_SIZES = {f"{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")}
_IGNORED = {"displaystyle", "textstyle", "limits", "nolimits", "mathstrut", "nonumber", "middle"}
# Double-struck letters that Unicode placed outside the block.
_DOUBLE_STRUCK = {"C": "ℂ", "H": "ℍ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}


class _UnreadableError(Exception):
    """The source uses LaTeX that this module does not know."""


def mathml(source: str, *, display: bool = False) -> Markup:
    r"""``source`` typeset, or the source itself in ``<code>`` where it cannot be read.

    >>> "<mfrac>" in mathml(r"\frac{a}{b}")
    True
    >>> mathml(r"\unknowncommand <b>")
    Markup('<code class="latex">\\unknowncommand &lt;b&gt;</code>')
    """
    source = " ".join(source.split())
    try:
        body = _Reader(source).row(end=None)
    except _UnreadableError:
        return Markup('<code class="latex">{}</code>').format(source)
    mode = Markup(' display="block"') if display else Markup("")
    return Markup(
        '<math{}><semantics><mrow>{}</mrow><annotation encoding="application/x-tex">{}</annotation></semantics></math>'
    ).format(mode, body, source)


def definition(text: str) -> Markup:
    """A definition: one displayed formula, or prose with formulas in it."""
    return prose(text) if _MATHS_IN_PROSE.search(text) else mathml(text, display=True)


def prose(text: str) -> Markup:
    """Plain text in which formulas (``$…$`` or ``:math:`…```) are typeset and double backquotes mean code."""
    parts, last = [], 0
    for match in _MATHS_IN_PROSE.finditer(text):
        parts.append(escape(text[last : match.start()]))
        formula = match[1] or match[2]
        parts.append(mathml(formula) if formula else Markup("<code>{}</code>").format(match[3]))
        last = match.end()
    parts.append(escape(text[last:]))
    return Markup("").join(parts)


def _element(tag: str, text: str, attributes: str = "") -> Markup:
    return Markup("<{0}{1}>{2}</{0}>").format(tag, Markup(attributes), text)


class _Reader:
    """A recursive-descent reader of one formula."""

    def __init__(self, source: str) -> None:
        if len(source) > _LONGEST:
            raise _UnreadableError
        self._source = source
        self._at = 0
        self._depth = 0

    def row(self, end: str | None) -> Markup:
        """Atoms up to the token ``end`` (``None``: the end of the source)."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnreadableError
        parts = []
        while True:
            token = self._peek()
            if token == end:
                if end is not None:
                    self._next()
                break
            if token is None or token in ("}", "\\right"):
                raise _UnreadableError
            parts.append(self._scripted())
        self._depth -= 1
        return Markup("").join(parts)

    def _peek(self) -> str | None:
        match = _TOKEN.search(self._source, self._at)
        return match[0] if match else None

    def _next(self) -> str:
        match = _TOKEN.search(self._source, self._at)
        if match is None:
            raise _UnreadableError
        self._at = match.end()
        return match[0]

    def _scripted(self) -> Markup:
        """An atom with its sub- and superscripts."""
        token = self._peek() or ""
        limits = token[1:] in _LIMITS or token[1:] in _NAMED_LIMITS
        base = self._atom()
        gap = _element("mspace", "", ' width="0.15em"') if token[1:] in _FUNCTIONS | _NAMED_LIMITS else Markup("")
        scripts: dict[str, Markup] = {}
        while (mark := self._peek()) in ("^", "_", "'"):
            self._next()
            if mark == "'":
                scripts["^"] = scripts.get("^", Markup("")) + _element("mo", "′")
            else:
                scripts[str(mark)] = scripts.get(str(mark), Markup("")) + self._atom()
        if not scripts:
            return base + gap
        below, above = ("munder", "mover") if limits else ("msub", "msup")
        both = "munderover" if limits else "msubsup"
        tag = both if len(scripts) == 2 else below if "_" in scripts else above
        ordered = [scripts[k] for k in ("_", "^") if k in scripts]
        return _element(tag, base + Markup("").join(_element("mrow", s) for s in ordered)) + gap

    def _atom(self) -> Markup:
        token = self._next()
        if token == "{":
            return _element("mrow", self.row(end="}"))
        if token[0] == "\\":
            return self._command(token[1:])
        if token[0].isdigit():
            return _element("mn", token)
        if token.isalpha():
            return _element("mi", token)
        if token in "^_&}":
            raise _UnreadableError
        return _element("mo", "−" if token == "-" else token, ' stretchy="false"')

    def _command(self, name: str) -> Markup:
        if name in _IDENTIFIERS:
            return _element("mi", _IDENTIFIERS[name])
        if name in _LIMITS:
            return _element("mo", _LIMITS[name])
        if name in _OPERATORS:
            return _element("mo", _OPERATORS[name], ' stretchy="false"')
        if name in _FUNCTIONS or name in _NAMED_LIMITS:
            return _element("mi", name)
        if name in _SPACES:
            return _element("mspace", "", f' width="{_SPACES[name]}"')
        if name in _IGNORED:
            return Markup("")
        if name in _ACCENTS:
            return _element("mover", _element("mrow", self._atom()) + _element("mo", _ACCENTS[name]), ' accent="true"')
        if name in _UPRIGHT:
            return self._upright(spaced=name in ("text", "textrm", "textit", "mbox"))
        if name in _STYLES:
            return self._styled(name)
        return self._structure(name)

    def _structure(self, name: str) -> Markup:
        if name in ("frac", "tfrac", "dfrac"):
            return _element("mfrac", _element("mrow", self._argument()) + _element("mrow", self._argument()))
        if name == "binom":
            above, below = _element("mrow", self._argument()), _element("mrow", self._argument())
            stacked = _element("mfrac", above + below, ' linethickness="0"')
            return _element("mrow", _element("mo", "(") + stacked + _element("mo", ")"))
        if name == "sqrt":
            return self._root()
        if name == "left":
            opening = self._fence()
            inside = self._until_right()
            return _element("mrow", opening + inside + self._fence())
        if name in _SIZES:
            return self._fence()
        if name == "begin" and self._raw_group() == "cases":
            return self._cases()
        raise _UnreadableError

    def _argument(self) -> Markup:
        r"""What a command takes: a group, or one token, which of a number is its first digit (``\frac12``)."""
        match = _DIGIT.match(self._source, self._at)
        if match is None:
            return self._atom()
        self._at = match.end()
        return _element("mn", match[1])

    def _root(self) -> Markup:
        if self._peek() != "[":
            return _element("msqrt", self._atom())
        self._next()
        index = self.row(end="]")
        return _element("mroot", _element("mrow", self._atom()) + _element("mrow", index))

    def _until_right(self) -> Markup:
        parts = []
        while self._peek() != "\\right":
            if self._peek() in (None, "}"):
                raise _UnreadableError
            parts.append(self._scripted())
        self._next()
        return Markup("").join(parts)

    def _cases(self) -> Markup:
        """Alternatives behind a brace: cells parted by ``&``, rows by two backslashes."""
        table: list[list[Markup]] = [[Markup("")]]
        while (token := self._peek()) != "\\end":
            if token in (None, "}"):
                raise _UnreadableError
            if token == "&":
                self._next()
                table[-1].append(Markup(""))
            elif token == "\\\\":
                self._next()
                table.append([Markup("")])
            else:
                table[-1][-1] += self._scripted()
        self._next()
        if self._raw_group() != "cases":
            raise _UnreadableError
        cells = (Markup("").join(_element("mtd", cell) for cell in row) for row in table)
        rows = Markup("").join(_element("mtr", row) for row in cells)
        return _element("mrow", _element("mo", "{") + _element("mtable", rows, ' columnalign="left"'))

    def _fence(self) -> Markup:
        token = self._next()
        if token == ".":
            return Markup("")
        symbol = _OPERATORS.get(token[1:]) if token[0] == "\\" else token
        if symbol is None:
            raise _UnreadableError
        return _element("mo", symbol)

    def _upright(self, *, spaced: bool) -> Markup:
        """A name or words in upright letters."""
        words = self._raw_group()
        if words is None:
            return _element("mrow", self._atom())
        if spaced:
            return _element("mtext", words.replace(" ", "\N{NO-BREAK SPACE}"))
        return _element("mi", words.strip(), ' mathvariant="normal"')

    def _styled(self, name: str) -> Markup:
        words = self._raw_group()
        if words is None and (self._peek() or "").isalnum():
            words = self._next()
        if words is None:
            return _element("mrow", self._atom())
        style: Callable[[str], str] = lambda letter: _letter(letter, name)  # noqa: E731
        return _element("mi", "".join(map(style, words.strip())), ' mathvariant="normal"')

    def _raw_group(self) -> str | None:
        """The text of a braced group that holds no commands."""
        match = _RAW_GROUP.match(self._source, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[1]


def _letter(letter: str, style: str) -> str:
    """``letter`` in bold, calligraphic or double-struck form."""
    if style == "mathbb" and letter in _DOUBLE_STRUCK:
        return _DOUBLE_STRUCK[letter]
    if style == "mathbb" and letter.isdecimal():
        return chr(0x1D7D8 + int(letter))
    if style in ("mathbf", "boldsymbol") and letter.isdecimal():
        return chr(0x1D7CE + int(letter))
    if letter.isascii() and letter.isalpha():
        offset = ord(letter) - ord("A") if letter.isupper() else 26 + ord(letter) - ord("a")
        return chr(_STYLES[style] + offset)
    return letter
