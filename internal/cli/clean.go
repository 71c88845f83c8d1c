package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// clean makes text from mail safe for a terminal: what could move the cursor,
// change the terminal's state or reorder the line becomes '?'; tabs and line
// ends become spaces. What is left is printable and of one line.
func clean(s string) string {
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
	case hostile(r):
		return '?'
	}
	return r
}

// hostile reports control characters (C0, DEL, C1), the invisible format
// characters (bidirectional overrides and marks, tags, byte order mark; but
// not the joiners that some scripts need) and line separators.
func hostile(r rune) bool {
	switch {
	case r < ' ' || r >= 0x7f && r <= 0x9f, r == 0x2028, r == 0x2029:
		return true
	case r < 0x80, r == 0x200c, r == 0x200d:
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

// safeJSON escapes the hostile runes that encoding/json leaves in strings. In
// valid JSON such runes stand in strings only, line ends apart.
func safeJSON(b []byte) []byte {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, len(b))
	start := 0
	escape := func(r rune) {
		out = append(out, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	for i := 0; i < len(b); {
		if b[i] < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if hostile(r) {
			out = append(out, b[start:i]...)
			if r > 0xffff {
				r -= 0x10000
				escape(0xd800 + r>>10)
				r = 0xdc00 + r&0x3ff
			}
			escape(r)
			start = i + n
		}
		i += n
	}
	return append(out, b[start:]...)
}

// textWidth counts the columns that clean text takes on a terminal.
func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
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

// cut shortens clean text to a number of columns, with "..." where it was
// longer.
func cut(s string, columns int) string {
	if textWidth(s) <= columns {
		return s
	}
	dots := "..."
	if columns < 4 {
		dots = ""
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > columns-len(dots) {
			return s[:i] + dots
		}
	}
	return s
}
