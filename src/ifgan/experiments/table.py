"""A table of text cells, written as text, Markdown or LaTeX."""

from dataclasses import dataclass

DASH = "—"  # what wasn't run


@dataclass(frozen=True)
class Table:
    """Cells as text, the header apart."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def text(self) -> str:
        """Aligned columns."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.header))]
        drawn = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in [self.title, *drawn, self.note] if line) + "\n"

    def markdown(self) -> str:
        """A pipe table."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        drawn = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"**{self.title}**\n\n{drawn}\n" + (f"\n{self.note}\n" if self.note else "")

    def latex(self) -> str:
        """A booktabs tabular."""
        rows = [" & ".join(map(_latex, line)) + r" \\" for line in self.rows]
        head = " & ".join(map(_latex, self.header)) + r" \\"
        body = "\n".join([rf"\begin{{tabular}}{{{'l' * len(self.header)}}}", r"\toprule", head, r"\midrule", *rows])
        return f"% {self.title}\n{body}\n\\bottomrule\n\\end{{tabular}}\n" + (f"% {self.note}\n" if self.note else "")


def _latex(cell: str) -> str:
    for plain, written in (
        ("\\", r"\textbackslash "),
        *((sign, f"\\{sign}") for sign in "%&_#${}"),
        ("~", r"\textasciitilde "),
        ("^", r"\textasciicircum "),
        ("±", r"$\pm$"),
        ("→", r"$\to$"),
    ):
        cell = cell.replace(plain, written)
    return cell.replace(DASH, "---").replace("< ", "$<$ ")
