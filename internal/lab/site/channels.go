package site

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// channels reads imta.cnf: rewrite rules, a blank line, then blocks of a
// channel's keywords and its host, with a blank line between them.
func (r *reader) channels(text []byte) {
	rules, block := true, []string(nil)
	seen := false // a rule
	first := 0    // line of the block
	end := func() {
		if len(block) > 0 {
			at := r.line
			r.line = first
			r.channel(block)
			r.line = at
		}
		block = nil
	}
	r.lines(text, func(line string) {
		switch {
		case line == "" && rules:
			rules = !seen
		case line == "":
			end()
		case rules:
			seen = true
			r.rule(line)
		default:
			if len(block) == 0 {
				first = r.line
			}
			block = append(block, line)
		}
	})
	end()
}

// rule takes the local domains from the rewrite rules: they lead to the store.
func (r *reader) rule(line string) {
	f := strings.Fields(line)
	if len(f) < 2 {
		r.fail("rewrite rule %q has no template", line)
		return
	}
	if strings.HasSuffix(f[1], "@"+StoreHost) && f[0] != StoreHost {
		r.site.Practice.Domains = append(r.site.Practice.Domains, strings.ToLower(f[0]))
	}
}

func (r *reader) channel(block []string) {
	words := strings.Fields(block[0])
	name, keywords := words[0], words[1:]
	if name == "defaults" {
		r.defaults = keywords
		return
	}
	if !validChannel(name) {
		r.fail("channel %q: want at most 32 of letters, digits, '-' and '_'", name)
		return
	}
	if _, twice := r.site.Channel(name); twice {
		r.fail("channel %s stands there twice", name)
		return
	}
	c := Channel{Name: name, Pool: "DEFAULT", MaxJobs: 10, Keywords: keywords}
	if len(block) > 1 {
		c.Host = strings.Fields(block[1])[0]
	}
	r.keywords(&c, r.defaults)
	r.keywords(&c, keywords)
	for pattern, program := range r.masters {
		if ok, _ := path.Match(pattern, name); ok && (c.Program == "" || pattern == name) {
			c.Program = program
		}
	}
	r.site.Channels = append(r.site.Channels, c)
}

func validChannel(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 32
}

// keywords sets what the words say; a word that the practice MTA does not know
// says nothing to it.
func (r *reader) keywords(c *Channel, words []string) {
	argument := func(i int) string {
		if i+1 < len(words) {
			return words[i+1]
		}
		r.fail("channel %s: %s has no value", c.Name, words[i])
		return ""
	}
	for i, w := range words {
		switch w {
		case "logging":
			c.Logging = true
		case "nologging":
			c.Logging = false
		case "subdirs":
			c.Subdirs = r.number(w, argument(i), 1, 999)
		case "maxjobs":
			c.MaxJobs = r.number(w, argument(i), 1, 1000)
		case "pool":
			c.Pool = argument(i)
		case "notices":
			c.Notices = nil
			for _, v := range words[i+1:] {
				n, err := strconv.ParseFloat(v, 64)
				if err != nil || !(n >= 0) || n > 1e6 {
					break
				}
				d := n * float64(r.site.Practice.Day)
				if d > maxNotice {
					r.fail("channel %s: notices %s: want at most %.0f days", c.Name, v, maxNotice/float64(24*time.Hour))
					break
				}
				c.Notices = append(c.Notices, time.Duration(d))
			}
		case "backoff":
			c.Backoff = nil
			for _, v := range words[i+1:] {
				d, ok := parsePeriod(strings.Trim(v, `"`))
				if !ok {
					break
				}
				c.Backoff = append(c.Backoff, d)
			}
			if len(c.Backoff) == 0 {
				r.fail(`channel %s: backoff has no period such as "pt5m"`, c.Name)
			}
		}
	}
}

// maxNotice keeps the ages of notices within what a duration holds: one beyond
// it would return every message at once.
const maxNotice = float64(100 * 365 * 24 * time.Hour)

// finish says what is missing once all files are read.
func (r *reader) finish() {
	s := r.site
	if len(r.errs) > 0 {
		return
	}
	r.line = 0
	for _, c := range []string{ChannelInternet, ChannelStore} {
		if _, ok := s.Channel(c); !ok {
			r.fail("channel %s is missing", c)
		}
	}
	for _, c := range s.Channels {
		if _, ok := s.Jobs.Pools[c.Pool]; !ok && c.Program != "" {
			r.fail("channel %s: job_controller.cnf has no [POOL=%s]", c.Name, c.Pool)
		}
	}
	if s.Practice.Host == "" {
		r.fail("practice.cnf has no HOST")
	}
}

// parsePeriod reads an ISO 8601 period of days, hours, minutes and seconds, in
// any case: "pt5m", "p1d", "pt1.5s".
func parsePeriod(s string) (time.Duration, bool) {
	s, ok := strings.CutPrefix(strings.ToLower(s), "p")
	if !ok || s == "" {
		return 0, false
	}
	var sum float64
	inTime, start := false, 0
	for i := range len(s) {
		var unit time.Duration
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c == '.':
			continue
		case c == 't' && !inTime && start == i:
			inTime, start = true, i+1
			continue
		case c == 'd' && !inTime:
			unit = 24 * time.Hour
		case c == 'h' && inTime:
			unit = time.Hour
		case c == 'm' && inTime:
			unit = time.Minute
		case c == 's' && inTime:
			unit = time.Second
		default:
			return 0, false
		}
		n, err := strconv.ParseFloat(s[start:i], 64)
		if err != nil {
			return 0, false
		}
		sum += n * float64(unit)
		start = i + 1
	}
	if start != len(s) || !(sum > 0) || sum > float64(1000*24*time.Hour) {
		return 0, false
	}
	return time.Duration(sum), true
}

// formatPeriod is the inverse, in minutes where they are whole.
func formatPeriod(d time.Duration) string {
	if d%time.Minute == 0 {
		return `"pt` + strconv.Itoa(int(d/time.Minute)) + `m"`
	}
	return `"pt` + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + `s"`
}
