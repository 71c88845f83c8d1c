package track

import "strings"

// Destination gives the domain of a recipient in lower case, "local" for an
// address without one, "unknown" for no address. A domain of one of these
// names, or named "other", gets a dot behind it. The string may be kept.
func (t *Tracker) Destination(to string) string {
	if to == "" {
		return "unknown" // the line tells of all recipients at once
	}
	at := strings.LastIndexByte(to, '@')
	if at < 0 || at == len(to)-1 {
		return "local"
	}
	domain := to[at+1:]
	if n, ok := t.names[domain]; ok {
		return n
	}
	lower := strings.ToLower(domain)
	switch lower {
	case "local", "unknown", "other":
		lower += "."
	}
	return t.name(domain, lower)
}

// maxNames bounds the table of names that are kept once.
const maxNames = 20_000

// name remembers v under s and gives the one copy of v that may be kept.
func (t *Tracker) name(s, v string) string {
	if len(t.names) >= maxNames {
		clear(t.names)
	}
	v = strings.Clone(v)
	if s == v {
		s = v
	} else {
		s = strings.Clone(s)
	}
	t.names[s] = v
	return v
}

// maxPrograms bounds Tracker.programs.
const maxPrograms = 64

// program gives the one copy of a program's name, "" when there are too many.
func (t *Tracker) program(name string) string {
	for _, p := range t.programs {
		if p == name {
			return p
		}
	}
	if len(t.programs) == maxPrograms {
		return ""
	}
	name = strings.Clone(name)
	t.programs = append(t.programs, name)
	return name
}

// keep gives a copy of s that may outlive the batch, or old when s is empty
// or the same.
func (t *Tracker) keep(s, old string) string {
	if s == "" || s == old {
		return old
	}
	return t.texts.keep(s)
}
