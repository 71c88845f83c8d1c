package adapter

import "github.com/mtawatch/mtawatch/internal/mta"

// Shared gives the parser of a log that several mail servers write, as a
// syslog daemon puts their lines into one file: each line is that server's
// whose parser makes events of it. list has at least one.
func Shared(list []Parser) Parser {
	if len(list) == 1 {
		return list[0]
	}
	return shared(list)
}

type shared []Parser

// Parse implements Parser.
func (s shared) Parse(dst []mta.Event, line Line) ([]mta.Event, error) {
	var first error
	for _, p := range s {
		events, err := p.Parse(dst, line)
		switch {
		case err == nil && len(events) > len(dst):
			return events, nil
		case first == nil:
			first = err
		}
	}
	return dst, first
}
