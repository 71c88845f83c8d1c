package say

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Clean makes text from mail safe for a terminal: what could move the cursor,
// change the terminal's state or reorder the line becomes '?'; tabs and line
// ends become spaces. What is left is printable and of one line.
func Clean(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return strings.Map(safeRune, strings.ToValidUTF8(s, "?"))
		}
	}
	return s
}

func safeRune(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return ' '
	case Hostile(r):
		return '?'
	}
	return r
}

// Hostile reports control characters (C0, DEL, C1), the invisible format
// characters (bidirectional overrides and marks, tags, byte order mark; but
// not the joiners that some scripts need) and line separators.
func Hostile(r rune) bool {
	switch {
	case r < ' ' || r >= 0x7f && r <= 0x9f, r == 0x2028, r == 0x2029:
		return true
	case r < 0x80, r == 0x200c, r == 0x200d:
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

// Width counts the columns that clean text takes on a terminal.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += RuneWidth(r)
	}
	return n
}

// RuneWidth counts the columns of one rune: 0 for what joins the one before it, 2 for the wide ones of East Asia.
func RuneWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if r == 0x200c || r == 0x200d || unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut shortens clean text to a number of columns, with "..." where it was
// longer.
func Cut(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	dots := "..."
	if columns < 4 {
		dots = ""
	}
	n := 0
	for i, r := range s {
		if n += RuneWidth(r); n > columns-len(dots) {
			return s[:i] + dots
		}
	}
	return s
}
