package netstat

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Parse reads a listing to its end. The error is ErrNoListing, ErrNoStates or
// what r failed with; after a failed read nothing is returned, as half a
// listing would look like fewer connections.
func Parse(r io.Reader, opt Options) (Result, error) {
	p := parser{rows: map[rowKey]int{}}
	if err := eachLine(r, p.line); err != nil {
		return Result{}, fmt.Errorf("read listing: %w", err)
	}
	if p.stateless && len(p.rows) == 0 {
		return Result{}, ErrNoStates
	}
	if !p.proven {
		return Result{}, ErrNoListing
	}
	res := p.result(opt)
	res.Format = cmp.Or(p.format, p.heading)
	return res, nil
}

type rowKey struct {
	remote   netip.Addr
	port     uint16
	state    mta.TCPState
	maybeCut bool // an IPv6 address that fills its column: good only in a wide listing
}

type parser struct {
	fields    fields
	rows      map[rowKey]int
	skipped   int
	format    string // of the first row
	heading   string // of the first heading; the BSDs have that of Linux
	proven    bool   // a heading, or a row with all that it needs, was seen
	six       bool   // inside the IPv6 part of a Solaris listing
	stateless bool   // a heading without a state column was seen
	wide      bool   // an address wider than the column was seen
}

func (p *parser) found(format string) {
	p.proven = true
	p.format = cmp.Or(p.format, format)
}

func (p *parser) line(s string) {
	if rest, ok := procLine(s); ok {
		if row, ok := readProc(rest, binary.LittleEndian); ok {
			p.found(FormatProc)
			p.add(record{Connection: mta.Connection{LocalPort: row.Local.Port(), Remote: row.Remote.Addr(), State: row.State}})
		} else {
			p.skipped++
		}
		return
	}
	p.fields.split(s)
	raw, known, ok := rowOf(&p.fields)
	if !ok {
		p.other(s)
		return
	}
	raw.six = raw.six || p.six
	if known {
		p.found(raw.format)
	}
	if rec, ok := raw.read(); !ok {
		p.skipped++
	} else if rec.LocalPort != 0 {
		p.add(rec)
	}
}

// other looks at a line that is no row: it may be a heading.
func (p *parser) other(s string) {
	if format, states := heading(s); format != "" {
		p.proven = true
		p.heading = cmp.Or(p.heading, format)
		p.stateless = p.stateless || !states
	}
	if rest, ok := strings.CutPrefix(s, "TCP: IPv"); ok {
		p.six = strings.HasPrefix(rest, "6")
	}
}

func (p *parser) add(rec record) {
	p.wide = p.wide || rec.wide
	k := rowKey{remote: rec.Remote, port: rec.LocalPort, state: rec.State, maybeCut: rec.maybeCut}
	if _, ok := p.rows[k]; !ok && len(p.rows) >= maxRows {
		p.skipped++
		return
	}
	p.rows[k]++
}

func (p *parser) result(opt Options) Result {
	keep := map[uint16]bool{}
	for _, port := range opt.Ports {
		keep[port] = true
	}
	if len(keep) == 0 {
		for k := range p.rows {
			if k.state == mta.TCPListen {
				keep[k.port] = true
			}
		}
	}
	res := Result{Skipped: p.skipped}
	sums := make(map[rowKey]int, len(p.rows))
	for k, n := range p.rows {
		if k.maybeCut && !p.wide {
			res.Skipped += n
			continue
		}
		if len(keep) > 0 && !keep[k.port] {
			continue
		}
		k.maybeCut = false
		sums[k] += n
	}
	res.Connections = make([]mta.Connection, 0, len(sums))
	for k, n := range sums {
		res.Connections = append(res.Connections, mta.Connection{LocalPort: k.port, Remote: k.remote, State: k.state, Count: n})
	}
	slices.SortFunc(res.Connections, func(a, b mta.Connection) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Remote.Compare(b.Remote),
			cmp.Compare(a.State, b.State), cmp.Compare(a.LocalPort, b.LocalPort))
	})
	return res
}

// blockSize is how much text is read at once. A longer line is no row of any
// form and is passed over.
const blockSize = 64 << 10

// eachLine calls fn with every line of r, without its end. The strings of one
// block share its memory.
func eachLine(r io.Reader, fn func(string)) error {
	buf := make([]byte, blockSize)
	have, long := 0, false
	for {
		n, err := r.Read(buf[have:])
		end := have + bytes.LastIndexByte(buf[have:have+n], '\n') + 1
		have += n
		if end > have-n {
			text := string(buf[:end])
			if long {
				text = text[strings.IndexByte(text, '\n')+1:]
				long = false
			}
			for text != "" {
				i := strings.IndexByte(text, '\n')
				fn(text[:i])
				text = text[i+1:]
			}
			have = copy(buf, buf[end:have])
		} else if have == len(buf) {
			have, long = 0, true
		}
		if err == io.EOF {
			if have > 0 && !long {
				fn(string(buf[:have]))
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}
