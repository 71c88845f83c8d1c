package classify

import "strings"

// unwrap takes away what the Messaging Server logs before a reply: with whom
// it spoke, and the greeting of that host, which may say anything.
//
//	dns;mx1.example.net (TCP|192.0.2.1|5902|198.51.100.7|25) (greeting) smtp;550 5.1.1 no such user
func unwrap(reply string) string {
	if strings.IndexByte(reply, '|') < 0 {
		return reply
	}
	i := strings.Index(reply, "(TCP|")
	if i < 0 {
		return reply
	}
	end := strings.IndexByte(reply[i:], ')')
	if end < 0 {
		return reply
	}
	rest := strings.TrimLeft(reply[i+end+1:], " ")
	if rest == "" || rest[0] != '(' {
		return rest
	}
	const mark = ") smtp;"
	if j := strings.Index(rest, mark); j >= 0 {
		return rest[j+len(mark):]
	}
	depth := 0
	for j := range len(rest) {
		switch rest[j] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return rest[j+1:]
			}
		}
	}
	return rest
}
