package imta

import (
	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parser reads the transaction log.
type parser struct{}

func newParser(adapter.ParserConfig) adapter.Parser { return parser{} }

// Parse implements adapter.Parser.
func (parser) Parse(dst []mta.Event, _ adapter.Line) ([]mta.Event, error) {
	return dst, adapter.ErrUnknownLine
}
