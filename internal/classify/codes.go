package classify

import "strings"

// codes are the codes of one reply.
type codes struct {
	smtp int    // 0: none
	dsn  [3]int // class, subject, detail; class 0: none
}

// prefer lets what the caller knows go before what stood in the text.
func (k *codes) prefer(dsn string, code int) {
	if code != 0 {
		k.smtp = code
	}
	given, n := parseDSN(dsn)
	if n == 0 || n != len(dsn) {
		return
	}
	if k.dsn[0] == 0 || given[1] != 0 || given[2] != 0 {
		k.dsn = given
	}
}

// success reports whether the codes are those of a command that succeeded.
func (k *codes) success() bool {
	if k.dsn[0] != 0 {
		return k.dsn[0] == 2
	}
	return k.smtp >= 200 && k.smtp < 400
}

// addTo adds the terms of the codes to what was found.
func (k *codes) addTo(c *Classifier, found *set) {
	add := func(id uint16) {
		if id != 0 {
			found.add(id - 1)
		}
	}
	if k.smtp > 0 && k.smtp < len(c.codes) {
		add(c.codes[k.smtp])
	}
	class, subject, detail := k.dsn[0], k.dsn[1], k.dsn[2]
	if (class == 4 || class == 5) && subject < len(c.either) && detail < len(c.either[0]) {
		add(c.enhanced[class-4][subject][detail])
		add(c.either[subject][detail])
	}
	if class == 0 && k.smtp > 0 {
		class = k.smtp / 100
	}
	if class > 0 && class < len(c.classes) {
		add(c.classes[class])
	}
}

// setCode notes the number of a code term: "550", "5.1.1", "x.1.1" or "5".
// Text of another form is never found; the tests see it as a rule without effect.
func (c *Classifier) setCode(text string, id uint16) {
	if len(text) == 1 {
		c.classes[text[0]-'0'] = id + 1
		return
	}
	if rest, ok := strings.CutPrefix(text, "x"); ok {
		if d, n := parseDSN("5" + rest); n > 0 {
			c.either[d[1]][d[2]] = id + 1
		}
		return
	}
	if d, n := parseDSN(text); n > 0 {
		c.enhanced[d[0]-4][d[1]][d[2]] = id + 1
		return
	}
	if code, n := parseCode(text); n > 0 {
		c.codes[code] = id + 1
	}
}

// parseCode reads three digits at the start of s that make an SMTP reply code
// (RFC 5321, 4.2). n is the number of bytes read, 0 when there is none.
func parseCode(s string) (code, n int) {
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || !digit(s[1]) || s[1] > '7' || !digit(s[2]) {
		return 0, 0
	}
	if len(s) > 3 && (digit(s[3]) || letter(s[3]) || s[3] == '.') {
		return 0, 0
	}
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0'), 3
}

// parseDSN reads an enhanced status code (RFC 3463) at the start of s. n is
// the number of bytes read, 0 when there is none.
func parseDSN(s string) (d [3]int, n int) {
	if len(s) < 5 || (s[0] != '2' && s[0] != '4' && s[0] != '5') || s[1] != '.' || !digit(s[2]) || s[3] != '.' || !digit(s[4]) {
		return d, 0
	}
	d[0], d[1] = int(s[0]-'0'), int(s[2]-'0')
	n = 4
	for n < len(s) && n < 7 && digit(s[n]) {
		d[2] = d[2]*10 + int(s[n]-'0')
		n++
	}
	if d[1] > 7 || n < len(s) && (digit(s[n]) || letter(s[n])) || n+1 < len(s) && s[n] == '.' && digit(s[n+1]) {
		return [3]int{}, 0
	}
	return d, n
}

func digit(b byte) bool  { return b-'0' <= 9 }
func letter(b byte) bool { return b|0x20-'a' <= 25 }

// Parse finds the SMTP reply code and the enhanced status code in a reply as
// logged: at its start, after "said:" or another colon, on continuation lines
// ("550-5.1.1 ..."), and in the forms "(#5.1.1)" and "#5.1.1 smtp;550 ...". The
// first of each counts. Without one, code is 0 and dsn is "".
func Parse(reply string) (code int, dsn string) {
	s := scanner{text: reply}
	s.scan()
	return s.codes.smtp, s.dsn
}
