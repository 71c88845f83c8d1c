package cli

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
	"github.com/mtawatch/mtawatch/internal/view"
)

// parseFlags are the flags of parse.
type parseFlags struct {
	mta, timezone string
	instances     []string
	year          int
	count         bool
}

func (t *tool) parseCommand() *cobra.Command {
	f := parseFlags{}
	c := &cobra.Command{
		Use:   "parse [FILE...]",
		Short: "Log lines to events, as JSON",
		Long: "Reads logs, compressed ones too (gzip, zstd, bzip2, xz), or standard input, and prints one JSON object a line\n" +
			"and event, in input order. The last line on standard error counts lines, events, ignored, unknown and\n" +
			"malformed lines.",
		RunE: func(_ *cobra.Command, args []string) error { return t.parse(f, args) },
	}
	c.Flags().StringVar(&f.mta, "mta", "", "the mail server that wrote the log: "+mtaNames())
	c.Flags().StringSliceVar(&f.instances, "instance", nil, "only the lines of this instance (Postfix: syslog_name); may be repeated")
	c.Flags().IntVar(&f.year, "year", 0, "year of the first time stamp that carries none (default: from the file's modification time)")
	c.Flags().StringVar(&f.timezone, "timezone", "", "zone of time stamps that carry none, such as Europe/Berlin (default: the machine's)")
	c.Flags().BoolVar(&f.count, "count", false, "print nothing but the counts")
	return c
}

// parsing is one run of parse.
type parsing struct {
	t        *tool
	parser   adapter.Parser
	classes  *classify.Classifier // nil: only count
	events   []mta.Event
	out      []byte
	file     string // named in unknown and malformed lines when there are several; "" for one
	inFile   int64  // number of the line in its file
	lines    int64
	found    int64
	ignored  int64
	unknown  int64
	garbled  int64
	writeErr error
}

// flushAt is how many bytes of output are gathered.
const flushAt = 256 << 10

// fewCollections is the percentage of debug.SetGCPercent for commands that
// read whole logs and keep next to nothing: they take some 80 MB, and the
// collector is not at work for half of the time.
const fewCollections = 1000

func (t *tool) parse(f parseFlags, files []string) error {
	defer debug.SetGCPercent(debug.SetGCPercent(fewCollections))
	p, err := newParsing(t, f)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if len(files) > 1 {
			p.file = name
		}
		if err := p.read(name); err != nil {
			return errors.Join(err, p.flush())
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	if err := t.out.flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	if p.lines > 0 && p.ignored == p.lines {
		t.err.line("mtawatch: warning: " + f.noLine(len(files)))
	}
	t.err.printf("lines=%d events=%d ignored=%d unknown=%d malformed=%d\n", p.lines, p.found, p.ignored, p.unknown, p.garbled)
	return nil
}

// noLine warns that nothing was recognised.
func (f parseFlags) noLine(files int) string {
	what, which := "this file looks", "is it the right file?"
	if files > 1 {
		what, which = "these files looks", "are they the right files?"
	}
	whose := f.mta + "'s"
	if len(f.instances) > 0 {
		whose = "that of the instance " + strings.Join(f.instances, ", ")
	}
	return clean(fmt.Sprintf("no line of %s like %s: %s", what, whose, which))
}

func newParsing(t *tool, f parseFlags) (*parsing, error) {
	a, cfg, err := f.config()
	if err != nil {
		return nil, err
	}
	p := &parsing{t: t, parser: a.Parser(cfg)}
	if !f.count {
		p.classes = classify.New()
		p.out = make([]byte, 0, flushAt+chunkLeft)
	}
	return p, nil
}

// config checks the flags.
func (f parseFlags) config() (adapter.Adapter, adapter.ParserConfig, error) {
	cfg := adapter.ParserConfig{Year: f.year, Location: time.Local}
	a, ok := all.ByName(f.mta)
	if f.mta == "" {
		return a, cfg, view.Advise(errors.New("--mta is missing"), "give the mail server that wrote the log: --mta "+mtaNames())
	}
	if !ok {
		return a, cfg, view.Advise(fmt.Errorf("no mail server %q", clean(f.mta)), "give --mta one of "+mtaNames())
	}
	if f.year != 0 && (f.year < 1970 || f.year > 9999) {
		return a, cfg, view.Advise(fmt.Errorf("--year %d is out of range", f.year), "give a year of four digits")
	}
	if f.timezone != "" {
		l, err := time.LoadLocation(f.timezone)
		if err != nil {
			return a, cfg, view.Advise(fmt.Errorf("--timezone %s is no time zone known here", clean(f.timezone)), "give a name such as Europe/Berlin or UTC")
		}
		cfg.Location = l
	}
	for _, name := range f.instances {
		cfg.Instances = append(cfg.Instances, mta.Instance{MTA: a.Name, Name: name})
	}
	return a, cfg, nil
}

func (p *parsing) read(name string) error {
	in, at, err := p.t.open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	p.inFile = 0
	return p.readAll(in, name, at)
}

func (p *parsing) readAll(in io.Reader, name string, at time.Time) error {
	line := adapter.Line{Ref: at}
	err := eachPassing(in, func(run string) error {
		for run != "" {
			line.Text, run = nextLine(run)
			p.line(line)
		}
		return p.writeErr
	})
	if err != nil && p.writeErr == nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return err
}

// line parses one line.
func (p *parsing) line(line adapter.Line) {
	p.lines++
	p.inFile++
	var err error
	p.events, err = p.parser.Parse(p.events[:0], line)
	switch {
	case err != nil:
		p.failed(line.Text, err)
	case len(p.events) == 0:
		p.ignored++
		return
	}
	p.found += int64(len(p.events))
	if p.classes == nil {
		return
	}
	for i := range p.events {
		p.events[i].Cause = track.Cause(p.classes, &p.events[i])
		p.out = append(p.events[i].AppendJSON(p.out), '\n')
	}
	if len(p.out) >= flushAt {
		p.writeErr = p.flush()
	}
}

// failed counts a line that gave no event for it could not be read.
func (p *parsing) failed(text string, err error) {
	kind := "unknown"
	if errors.Is(err, adapter.ErrUnknownLine) {
		p.unknown++
	} else {
		p.garbled++
		kind = "malformed"
	}
	if p.classes == nil {
		return
	}
	b := append(p.out, `{"kind":"`...)
	b = append(b, kind...)
	b = append(b, `","line":`...)
	b = strconv.AppendInt(b, p.inFile, 10)
	if p.file != "" {
		b = append(b, `,"file":`...)
		b = mta.AppendJSONString(b, p.file)
	}
	b = append(b, `,"text":`...)
	b = mta.AppendJSONString(b, text)
	if kind == "malformed" {
		b = append(b, `,"error":`...)
		b = mta.AppendJSONString(b, err.Error())
	}
	p.out = append(b, "}\n"...)
}

func (p *parsing) flush() error {
	b := p.out
	if p.t.out.terminal {
		b = safeJSON(b)
	}
	_, err := p.t.out.w.Write(b)
	p.out = p.out[:0]
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
