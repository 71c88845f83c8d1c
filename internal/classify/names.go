package classify

import "strings"

// number reports whether a word is a number, an IP address, an address and a
// port, or punctuation around one.
func number(word string) bool {
	digits, hex, colons := false, false, 0
	for i := range len(word) {
		switch c := word[i]; {
		case digit(c):
			digits = true
		case letter(c):
			if c|0x20 > 'f' {
				return false
			}
			hex = true
		case c == ':':
			colons++
		case c != '.' && c != '-' && c != '#' && c != '%' && c != '/':
			return false
		}
	}
	return digits && (!hex || colons > 1)
}

// bracketsAddress reports whether s, what follows a '[', begins as an IP
// address or a socket's path.
func bracketsAddress(s string) bool {
	if s == "" {
		return false
	}
	switch c := s[0]; {
	case digit(c), c == ':', c == '/':
		return true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return strings.IndexByte(s[:min(len(s), 5)], ':') > 0
	}
	return strings.HasPrefix(s, "private/") || strings.HasPrefix(s, "IPv6:") || strings.HasPrefix(s, "unknown]")
}

// hostname reports whether a word is a host or domain name, alone or after an
// '=', or a file's name, which reads the same. at is the place of the '=', or
// the length of the word.
func hostname(word string) (at int, is bool) {
	at = len(word)
	end := len(word)
	if i := strings.IndexByte(word, '/'); i >= 0 {
		end = i
	}
	for end > 0 && !digit(word[end-1]) && !letter(word[end-1]) {
		end--
	}
	start := 0
	if i := strings.LastIndexByte(word[:end], '='); i >= 0 {
		at, start = i, i+1
	}
	host := word[start:end]
	if i := strings.LastIndexByte(host, ':'); i > 0 && i+1 < len(host) && digit(host[i+1]) {
		host = host[:i] // a port
	}
	for host != "" && !digit(host[0]) && !letter(host[0]) && host[0] != '_' {
		host = host[1:]
	}
	dot := strings.LastIndexByte(host, '.')
	if dot < 1 || strings.IndexByte(host, ':') >= 0 {
		return at, false
	}
	top := host[dot+1:]
	if len(top) < 2 || !letter(top[0]) {
		return at, false
	}
	// "rejected.Please": two sentences, not a name.
	if top[0] < 'a' && top[1] >= 'a' {
		return at, false
	}
	return at, digit(host[dot-1]) || letter(host[dot-1])
}
