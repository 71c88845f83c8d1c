package cli

import "unicode/utf8"

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
