package imta

import (
	"cmp"
	"path"
	"strconv"
	"strings"
	"time"
)

// The configuration files are lines of text. A line that begins with ! is a
// comment, one that begins with < names a file that stands in its place, and
// what cannot be understood is skipped: the MTA itself is the judge of it.

const (
	maxIncludes = 64      // files that one configuration file may draw in
	maxIncluded = 4 << 20 // bytes of one configuration file with all that it draws in
	maxDepth    = 8       // files within files
)

// includes replaces the lines "<FILE" of a text by what read gives for FILE.
// A file that cannot be read leaves nothing.
type includes struct {
	read  func(name string) string
	files int
}

func (in *includes) expand(text string, depth int) string {
	if !strings.HasPrefix(text, "<") && !strings.Contains(text, "\n<") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line[0] != '<' {
			b.WriteString(line)
			continue
		}
		if in.files++; in.files > maxIncludes || depth == maxDepth || b.Len() > maxIncluded {
			continue
		}
		b.WriteString(in.expand(in.read(strings.TrimSpace(line[1:])), depth+1))
		b.WriteByte('\n')
	}
	return b.String()
}

// pairs are NAME=value lines; names in upper case.
type pairs map[string]string

// parsePairs reads option.dat and imta_tailor: one NAME=value a line. Of a
// name that stands there twice the last counts.
func parsePairs(text string) pairs {
	p := pairs{}
	for line := range strings.Lines(text) {
		if name, value, ok := pair(line); ok {
			p[name] = value
		}
	}
	return p
}

// pair reads one NAME=value line.
func pair(line string) (name, value string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || strings.IndexByte("!#;<[", line[0]) >= 0 {
		return "", "", false
	}
	name, value, ok = strings.Cut(line, "=")
	name = strings.ToUpper(strings.TrimSpace(name))
	return name, strings.TrimSpace(value), ok && name != "" && strings.IndexByte(name, ' ') < 0
}

// number reads a whole number, also as BASE%DIGITS ("16%ff"). Without such a
// setting, or with one that cannot be read, ok is false.
func (p pairs) number(name string) (n int64, ok bool) {
	v := p[name]
	base := 10
	if b, digits, found := strings.Cut(v, "%"); found {
		radix, err := strconv.Atoi(b)
		if err != nil || radix < 2 || radix > 36 {
			return 0, false
		}
		base, v = radix, digits
	}
	n, err := strconv.ParseInt(v, base, 64)
	return n, err == nil
}

// count is number for what cannot be negative and must fit a listing.
func (p pairs) count(name string) (int, bool) {
	n, ok := p.number(name)
	return int(n), ok && n >= 0 && n <= 1<<30
}

// section is one [KIND=NAME] of dispatcher.cnf or job_controller.cnf, with
// what was said before the first section as far as it says nothing else.
type section struct {
	kind, name string
	pairs
}

// parseSections reads dispatcher.cnf and job_controller.cnf. The first
// section, of no kind, is what stands before any other.
func parseSections(text string) []section {
	list := []section{{pairs: pairs{}}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if head, ok := strings.CutPrefix(line, "["); ok {
			head, _, ok = strings.Cut(head, "]")
			if !ok {
				continue
			}
			kind, name, _ := strings.Cut(head, "=")
			list = append(list, section{strings.ToUpper(strings.TrimSpace(kind)), strings.TrimSpace(name), pairs{}})
			continue
		}
		if name, value, ok := pair(line); ok {
			list[len(list)-1].pairs[name] = value
		}
	}
	for _, s := range list[1:] {
		for name, value := range list[0].pairs {
			if _, own := s.pairs[name]; !own {
				s.pairs[name] = value
			}
		}
	}
	return list
}

// service is one service of the dispatcher.
type service struct {
	section
	ports []uint16
}

// isSMTP tells the services that speak SMTP from LMTP and others.
func (s *service) isSMTP() bool {
	image := strings.ToLower(path.Base(s.pairs["IMAGE"]))
	name := strings.ToUpper(s.name)
	if image == "." {
		image = "" // none named: the service's name decides
	}
	if strings.Contains(image, "lmtp") || strings.Contains(name, "LMTP") {
		return false
	}
	return strings.Contains(image, "smtp") || strings.Contains(name, "SMTP") || strings.Contains(name, "SUBMIT")
}

// parseServices gives the services of dispatcher.cnf that have a port.
func parseServices(text string) []service {
	var list []service
	for _, s := range parseSections(text) {
		if s.kind != "SERVICE" {
			continue
		}
		v := service{section: s}
		for _, key := range []string{"PORT", "TLS_PORT"} {
			for f := range strings.FieldsFuncSeq(s.pairs[key], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
				if n, err := strconv.ParseUint(f, 10, 16); err == nil && n > 0 {
					v.ports = append(v.ports, uint16(n))
				}
			}
		}
		if len(v.ports) > 0 {
			list = append(list, v)
		}
	}
	return list
}

// Defaults of the dispatcher, as documented.
const defaultLifeTime = 24 * time.Hour // MAX_LIFE_TIME

// lifetime gives after how long a server process of the service is due to end.
func (s *service) lifetime() time.Duration {
	n, ok := s.count("MAX_LIFE_TIME")
	if !ok {
		return defaultLifeTime
	}
	return time.Duration(n) * time.Second
}

// channel is one channel block of imta.cnf.
type channel struct {
	name    string
	logging bool
	notices float64 // the last of its notices, in days or hours; 0: none named
}

// parseChannels reads the channel blocks of imta.cnf: after the rewrite
// rules, parted by empty lines, each a line of name and keywords and a line
// with the host. The block "defaults" says what holds for those after it.
func parseChannels(text string) []channel {
	var list []channel
	var base channel
	blank, rules := false, true
	joined := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if strings.HasPrefix(line, "!") {
			continue
		}
		if head, more := strings.CutSuffix(line, `\`); more && len(joined) < maxIncluded {
			joined += head + " "
			continue
		}
		line, joined = joined+line, ""
		if strings.TrimSpace(line) == "" {
			blank, rules = true, false
			continue
		}
		first := blank
		blank = false
		if rules || !first {
			continue // a rewrite rule, or the lines below a block's first
		}
		words := strings.Fields(line)
		switch name := words[0]; {
		case len(words) > 1 && strings.IndexByte(words[1], '$') >= 0: // a rule after an empty line
		case name == "defaults":
			base = readChannel(base, words)
			blank = true // it needs no empty line after it
		case name == "nodefaults":
			base, blank = channel{}, true
		default:
			list = append(list, readChannel(base, words))
		}
	}
	return list
}

// readChannel reads the keywords of a channel block.
func readChannel(base channel, words []string) channel {
	c := base
	c.name = words[0]
	own := 0.0
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "logging":
			c.logging = true
		case "nologging":
			c.logging = false
		case "notices", "normalnotices", "nonurgentnotices", "urgentnotices":
			for i+1 < len(words) {
				n, err := strconv.ParseFloat(words[i+1], 64)
				if err != nil || !(n >= 0 && n <= 1<<20) {
					break
				}
				own = max(own, n)
				i++
			}
		}
	}
	c.notices = cmp.Or(own, base.notices)
	return c
}

// longestNotices gives after how long the last channel gives a message back.
func longestNotices(list []channel, unit time.Duration) time.Duration {
	n := 0.0
	for _, c := range list {
		n = max(n, c.notices)
	}
	return time.Duration(n * float64(unit))
}
