package tui

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// style is how text stands out: the parameters of SGR. What it says is
// always said in words too.
type style string

const (
	plain   style = ""
	bold    style = "1"
	dim     style = "2"
	reverse style = "7"
	red     style = "1;31"
	yellow  style = "33"
)

// severityStyle is that of a finding.
func severityStyle(s mta.Severity) style {
	switch s {
	case mta.SeverityCritical:
		return red
	case mta.SeverityWarning:
		return yellow
	}
	return dim
}

// verdictStyle keeps colour for what is wrong.
func verdictStyle(v view.Verdict) style {
	switch v {
	case view.VerdictOK:
		return bold
	case view.VerdictWarning:
		return yellow
	}
	return red
}

// fixed gives text from elsewhere as this screen can show it: clean, and of a
// width that every terminal agrees on. Combining marks are joined with their letter
// where there is such a letter, else dropped; what is drawn as a picture, or
// with a width that depends on the terminal, becomes '?'.
func fixed(s string) string {
	s = say.Clean(s)
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return strings.Map(fixedRune, norm.NFC.String(s))
		}
	}
	return s
}

func fixedRune(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case r == 0x200c, r == 0x200d, unicode.In(r, unicode.Mn, unicode.Me):
		return -1
	case r >= 0x1160 && r <= 0x11ff, r >= 0xd7b0 && r <= 0xd7ff: // parts of Korean syllables
		return '?'
	case r >= 0x1f000 && r < 0x20000, r >= 0xe000 && r < 0xf900, r >= 0xf0000: // pictures; private use
		return '?'
	case unicode.In(r, unicode.Mc, unicode.Co, unicode.Cn):
		return '?'
	case unicode.Is(unicode.So, r) && r >= 0x2300 && r < 0x2800: // some are drawn as pictures, two columns wide
		return '?'
	}
	return r
}

// span is text in one style. The text must be fixed.
type span struct {
	style style
	text  string
}

// row is one line of the screen.
type row []span

// text makes a row of one style.
func text(st style, s string) row { return row{{st, s}} }

// and appends.
func (r row) and(st style, s string) row { return append(r, span{st, s}) }

// width counts its columns.
func (r row) width() int {
	n := 0
	for _, s := range r {
		n += say.Width(s.text)
	}
	return n
}

// pad fills up to a number of columns with blanks.
func (r row) pad(columns int) row {
	if n := columns - r.width(); n > 0 {
		return r.and(plain, strings.Repeat(" ", n))
	}
	return r
}

// cut shortens to a number of columns.
func (r row) cut(columns int) row {
	var out row
	left := columns
	for i, s := range r {
		w := say.Width(s.text)
		if w > left || w == left && i < len(r)-1 && (row(r[i+1:])).width() > 0 {
			return append(out, span{s.style, say.Cut(s.text+"    ", left)})
		}
		out, left = append(out, s), left-w
	}
	return out
}

// ends puts one row at the left and one at the right end of a line; where
// both have no room the right one is left out.
func ends(left, right row, columns int) row {
	if left.width()+right.width()+2 > columns {
		return left.cut(columns)
	}
	return append(left.pad(columns-right.width()), right...)
}

// all puts the row in one style, whatever its spans have.
func (r row) all(st style) row {
	out := make(row, len(r))
	for i, s := range r {
		out[i] = span{st, s.text}
	}
	return out
}

// String gives the row for the terminal.
func (r row) String() string {
	var b strings.Builder
	for i := 0; i < len(r); {
		st := r[i].style
		if st != plain {
			b.WriteString("\x1b[" + string(st) + "m")
		}
		for ; i < len(r) && r[i].style == st; i++ {
			b.WriteString(r[i].text)
		}
		if st != plain {
			b.WriteString("\x1b[m")
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// wrap breaks fixed text at blanks into rows; the later ones are indented. A word longer than a line is broken.
func wrap(st style, s string, columns, indent int) []row {
	if indent > columns/2 {
		indent = 0
	}
	var rows []row
	line, used := "", 0
	flush := func() {
		rows = append(rows, text(st, strings.TrimRight(line, " ")))
		line, used = strings.Repeat(" ", indent), indent
	}
	for _, r := range s {
		w := say.RuneWidth(r)
		if used+w > columns {
			rest := ""
			if i := strings.LastIndexByte(line, ' '); r != ' ' && i > indent && i > len(line)/2 {
				line, rest = line[:i], line[i+1:]
			}
			flush()
			line, used = line+rest, used+say.Width(rest)
			if r == ' ' {
				continue
			}
		}
		line, used = line+string(r), used+w
	}
	flush()
	return rows
}
