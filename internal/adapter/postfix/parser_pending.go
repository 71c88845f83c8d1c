package postfix

import (
	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// unread knows no line: every line that looks like one of Postfix is unknown.
// It stands in for the log parser.
type unread struct{}

func newParser(adapter.ParserConfig) adapter.Parser { return unread{} }

// Parse gives ErrUnknownLine.
func (unread) Parse(dst []mta.Event, _ adapter.Line) ([]mta.Event, error) {
	return dst, adapter.ErrUnknownLine
}
