package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// printer writes to standard output or standard error and knows what it may
// do there.
type printer struct {
	w        *bufio.Writer
	file     *os.File // nil: it is no terminal
	terminal bool
	colour   bool
	columns  int // 0: no limit, for it is no terminal
}

func newPrinter(w io.Writer) *printer {
	p := &printer{w: bufio.NewWriterSize(w, 16<<10)}
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return p
	}
	p.file, p.terminal = f, true
	p.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	p.columns = 80
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		p.columns = n
	}
	return p
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func (p *printer) flush() error { return p.w.Flush() }

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p.w, format, args...) }

// style is how text stands out on a terminal.
type style string

const (
	bold   style = "\x1b[1m"
	dim    style = "\x1b[2m"
	red    style = "\x1b[31m"
	green  style = "\x1b[32m"
	yellow style = "\x1b[33m"
)

// in gives s in a style where colour may be used.
func (p *printer) in(st style, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return string(st) + s + "\x1b[0m"
}

// json writes v as one JSON value, indented on a terminal.
func (p *printer) json(v any) error {
	if !p.terminal {
		return p.jsonLine(v)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return p.writeJSON(b, err)
}

// jsonLine writes v as JSON on one line.
func (p *printer) jsonLine(v any) error {
	b, err := json.Marshal(v)
	return p.writeJSON(b, err)
}

func (p *printer) writeJSON(b []byte, err error) error {
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	p.w.Write(safeJSON(b))
	p.w.WriteByte('\n')
	return nil
}

// table is rows of cells under headings. Cells must be clean; numbers stand
// to the right.
type table struct {
	head     []string
	right    []bool // by column; absent is left
	rows     [][]string
	style    map[int]style // by row
	optional []string      // columns that a narrow terminal does without, in this order
}

// newTable takes headings; one that begins with '>' is of a column of
// numbers.
func newTable(head ...string) *table {
	t := &table{}
	for _, h := range head {
		name, right := strings.CutPrefix(h, ">")
		t.head = append(t.head, name)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// mark gives the last row a style.
func (t *table) mark(st style) {
	if t.style == nil {
		t.style = make(map[int]style)
	}
	t.style[len(t.rows)-1] = st
}

// print writes the table. On a terminal it fits the width: columns are cut
// or left out, and what is left out is named.
func (p *printer) print(t *table) {
	shown, widths, leftOut := t.fit(p.columns)
	p.tableLine(p.in(dim, t.row(t.head, shown, widths)))
	for i, row := range t.rows {
		p.tableLine(p.in(t.style[i], t.row(row, shown, widths)))
	}
	if len(leftOut) > 0 {
		p.line(p.in(dim, "a wider terminal shows: "+strings.Join(leftOut, ", ")))
	}
}

func (p *printer) tableLine(s string) {
	p.w.WriteString(s)
	p.w.WriteByte('\n')
}

func (t *table) row(cells []string, shown, widths []int) string {
	var b strings.Builder
	for k, i := range shown {
		w := widths[i]
		cell := ""
		if i < len(cells) {
			cell = cut(cells[i], w)
		}
		pad := strings.Repeat(" ", w-textWidth(cell))
		if k > 0 {
			b.WriteString("  ")
		}
		if t.right[i] {
			b.WriteString(pad + cell)
		} else {
			b.WriteString(cell + pad)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// bar draws progress on a terminal and nothing elsewhere.
type bar struct {
	p     *printer
	drawn bool
	last  int64 // what was drawn last, in thousandths
}

// show draws how much of a total is done.
func (b *bar) show(what string, done, total int64) {
	if !b.p.terminal {
		return
	}
	share := int64(0)
	if total > 0 {
		share = min(done, total) * 1000 / total
	}
	if b.drawn && share == b.last {
		return
	}
	b.drawn, b.last = true, share
	const width = 24
	full := int(share * width / 1000)
	text := fmt.Sprintf("[%s%s] %3d%% of %s  %s", strings.Repeat("#", full), strings.Repeat(".", width-full), share/10, bytesText(total), clean(what))
	b.p.printf("\r\x1b[K%s", cut(text, max(b.p.columns-1, 20)))
	_ = b.p.flush() // a bar that cannot be drawn is no matter
}

// clear takes the bar away.
func (b *bar) clear() {
	if b.drawn {
		b.p.printf("\r\x1b[K")
		_ = b.p.flush()
		b.drawn = false
	}
}
