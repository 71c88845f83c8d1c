package imta

import "strings"

// fileName is what the name of a queue file says.
type fileName struct {
	id       string // what stays the same over all attempts
	attempts int    // deliveries tried, at least
	held     bool   // not to be delivered
}

// parseName reads the name of a queue file: two characters that count the
// attempts backwards from ZZ in base 36, a unique text, a dot, and two letters or
// digits or HELD. ok is false for what is no message.
func parseName(name string) (f fileName, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 3 {
		return fileName{}, false
	}
	a, b := digit36(name[0]), digit36(name[1])
	if a < 0 || b < 0 {
		return fileName{}, false
	}
	f.id, f.attempts = name[2:dot], 36*36-1-36*a-b
	for i := range len(f.id) {
		if c := f.id[i]; c <= ' ' || c == '$' || c == '/' || c == 0x7f {
			return fileName{}, false
		}
	}
	switch suffix := name[dot+1:]; {
	case suffix == "HELD":
		f.held = true
	case len(suffix) != 2 || !isAlnum(suffix[0]) || !isAlnum(suffix[1]):
		return fileName{}, false
	}
	return f, true
}

// digit36 reads 0-9 and A-Z; -1 for anything else.
func digit36(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	}
	return -1
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
