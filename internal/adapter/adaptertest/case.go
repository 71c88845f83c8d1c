package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// testCase is one archive, read.
type testCase struct {
	host    *Host
	log     []string
	listing *string
	config  adapter.ParserConfig
	ref     time.Time
}

func newCase(arc *txtar.Archive) (*testCase, error) {
	h, err := NewHost(arc)
	if err != nil {
		return nil, err
	}
	c := &testCase{host: h, ref: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	for _, f := range arc.Files {
		text := string(f.Data)
		switch f.Name {
		case "log":
			if text != "" {
				c.log = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			}
		case "listing":
			c.listing = &text
		case "config":
			if err := c.configure(text); err != nil {
				return nil, fmt.Errorf("read section config: %w", err)
			}
		}
	}
	return c, nil
}

func (c *testCase) configure(text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		var err error
		switch key {
		case "year":
			c.config.Year, err = strconv.Atoi(value)
		case "timezone":
			c.config.Location, err = time.LoadLocation(value)
		case "ref":
			c.ref, err = time.Parse(time.RFC3339, value)
		case "instances":
			for _, name := range strings.Fields(value) {
				c.config.Instances = append(c.config.Instances, mta.Instance{Name: name, Running: true})
			}
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parser gives a new parser for the case.
func (c *testCase) parser(a adapter.Adapter) adapter.Parser {
	cfg := c.config
	cfg.Instances = append([]mta.Instance(nil), cfg.Instances...)
	for i := range cfg.Instances {
		cfg.Instances[i].MTA = a.Name
	}
	return a.Parser(cfg)
}

// output makes the text of one section of outputs; false for other sections.
func (c *testCase) output(ctx context.Context, a adapter.Adapter, name string) (string, bool, error) {
	var b bytes.Buffer
	var err error
	switch name {
	case "events":
		for _, line := range c.events(a, c.log) {
			b.WriteString(line)
		}
	case "instances":
		err = c.instances(ctx, a, &b)
	case "queue":
		err = c.queue(ctx, a, &b)
	case "list":
		err = c.list(ctx, a, &b)
	case "conditions":
		err = c.conditions(ctx, a, &b)
	case "roles":
		err = c.roles(ctx, a, &b)
	case "own":
		err = c.own(ctx, a, &b)
	default:
		return "", false, nil
	}
	return b.String(), true, err
}

// events parses lines with one parser and gives, for each line, its events as
// lines of JSON.
func (c *testCase) events(a adapter.Adapter, lines []string) []string {
	p := c.parser(a)
	out := make([]string, len(lines))
	for i, line := range lines {
		events, err := p.Parse(nil, adapter.Line{Text: line, Ref: c.ref})
		out[i] = string(appendLine(nil, i+1, line, events, err))
	}
	return out
}

// appendLine appends what one line gave, as mtawatch parse prints it.
func appendLine(b []byte, n int, line string, events []mta.Event, err error) []byte {
	for i := range events {
		b = append(events[i].AppendJSON(b), '\n')
	}
	if err == nil {
		return b
	}
	kind := "malformed"
	if errors.Is(err, adapter.ErrUnknownLine) {
		kind = "unknown"
	}
	b = fmt.Appendf(b, `{"kind":%q,"line":%d,"text":`, kind, n)
	b = mta.AppendJSONString(b, line)
	if kind == "malformed" {
		b = append(b, `,"error":`...)
		b = mta.AppendJSONString(b, err.Error())
	}
	return append(b, "}\n"...)
}

func (c *testCase) instances(ctx context.Context, a adapter.Adapter, b *bytes.Buffer) error {
	list, err := a.Detect(ctx, c.host)
	if err != nil {
		return err
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(list)
}

func writeJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// failure is how an error stands among outputs.
type failure struct {
	Instance string `json:"instance,omitempty"`
	Error    string `json:"error"`
}

// each does something for each instance that the adapter finds.
func (c *testCase) each(ctx context.Context, a adapter.Adapter, do func(mta.Instance) error) error {
	list, err := a.Detect(ctx, c.host)
	if err != nil {
		return err
	}
	for _, inst := range list {
		if err := do(inst); err != nil {
			return err
		}
	}
	return nil
}

func (c *testCase) queue(ctx context.Context, a adapter.Adapter, b *bytes.Buffer) error {
	if a.Count == nil {
		return errors.New("the adapter has no Count")
	}
	return c.each(ctx, a, func(inst mta.Instance) error {
		q, err := a.Count(ctx, c.host, inst)
		if err != nil {
			return writeJSON(b, failure{inst.Name, err.Error()})
		}
		return writeJSON(b, q)
	})
}

func (c *testCase) conditions(ctx context.Context, a adapter.Adapter, b *bytes.Buffer) error {
	if a.Conditions == nil {
		return errors.New("the adapter has no Conditions")
	}
	return c.each(ctx, a, func(inst mta.Instance) error {
		list, err := a.Conditions(ctx, c.host, inst)
		for _, s := range list {
			if err := writeJSON(b, s); err != nil {
				return err
			}
		}
		if err != nil {
			return writeJSON(b, failure{inst.Name, err.Error()})
		}
		return nil
	})
}

// own asks an instance's tools for everything, each part by itself.
func (c *testCase) own(ctx context.Context, a adapter.Adapter, b *bytes.Buffer) error {
	if a.Own == nil {
		return errors.New("the adapter has no Own")
	}
	return c.each(ctx, a, func(inst mta.Instance) error {
		for _, q := range []mta.OwnQuestion{{Counters: true}, {Waiting: true}, {Processes: true}} {
			if err := writeJSON(b, a.Own(ctx, c.host, inst, q)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *testCase) list(ctx context.Context, a adapter.Adapter, b *bytes.Buffer) error {
	if c.listing != nil {
		if a.ReadList == nil {
			return errors.New("the adapter has no ReadList")
		}
		return writeMessages(b, "", a.ReadList(strings.NewReader(*c.listing)))
	}
	if a.List == nil {
		return errors.New("the adapter has no List")
	}
	return c.each(ctx, a, func(inst mta.Instance) error { return writeMessages(b, inst.Name, a.List(ctx, c.host, inst)) })
}

func writeMessages(b *bytes.Buffer, instance string, seq iter.Seq2[mta.QueuedMessage, error]) error {
	for m, err := range seq {
		if err != nil {
			return writeJSON(b, failure{instance, err.Error()})
		}
		if err := writeJSON(b, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *testCase) roles(ctx context.Context, a adapter.Adapter, b *bytes.Buffer) error {
	if a.Roles == nil {
		return errors.New("the adapter has no Roles")
	}
	procs, err := c.host.Processes(ctx)
	if err != nil {
		return err
	}
	return c.each(ctx, a, func(inst mta.Instance) error {
		roles := a.Roles(inst, procs)
		if len(roles) != len(procs) {
			return fmt.Errorf("%d roles for %d processes", len(roles), len(procs))
		}
		for i, r := range roles {
			if r == mta.RoleNone {
				continue
			}
			fmt.Fprintf(b, `{"instance":%q,"pid":%d,"name":%q,"role":%q}`+"\n", inst.Name, procs[i].PID, procs[i].Name, r.String())
		}
		return nil
	})
}
