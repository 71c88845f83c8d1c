package adaptertest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parserFunc is a parser for the tests of the suite itself.
type parserFunc func([]mta.Event, adapter.Line) ([]mta.Event, error)

func (f parserFunc) Parse(dst []mta.Event, l adapter.Line) ([]mta.Event, error) { return f(dst, l) }

// plain reads "INSTANCE ID status=STATUS." and knows no other line.
func plain(dst []mta.Event, l adapter.Line) ([]mta.Event, error) {
	f := strings.Fields(l.Text)
	if len(f) != 3 {
		return dst, adapter.ErrUnknownLine
	}
	var s mta.Status
	text, whole := strings.CutSuffix(strings.TrimPrefix(f[2], "status="), ".")
	if !whole || s.UnmarshalText([]byte(text)) != nil {
		return dst, adapter.Malformed("status", f[2])
	}
	return append(dst, mta.Event{Time: l.Ref, Instance: f[0], Kind: mta.KindDelivery, QueueID: f[1], Status: s}), nil
}

const plainLog = "-- log --\na 1 status=sent.\nb 2 status=deferred.\nhello\na 3 status=odd.\na 4 status=bounced.\n"

func oneCase(t *testing.T, text string) *testCase {
	t.Helper()
	c, err := newCase(txtar.Parse([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func toy(f parserFunc) adapter.Adapter {
	return adapter.Adapter{Name: "toy", Parser: func(adapter.ParserConfig) adapter.Parser { return f },
		Detect: func(context.Context, adapter.Host) ([]mta.Instance, error) { return nil, nil }}
}

func TestEventsGolden(t *testing.T) {
	c := oneCase(t, plainLog)
	got, ok, err := c.output(t.Context(), toy(plain), "events")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	lines := strings.Split(got, "\n")
	want := []string{`{"kind":"unknown","line":3,"text":"hello"}`,
		`{"kind":"malformed","line":4,"text":"a 3 status=odd.","error":"read status: \"status=odd.\""}`}
	if diff := cmp.Diff(lines[2:4], want); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
	if !strings.Contains(lines[0], `"time":"2026-11-23T12:00:00Z"`) || !strings.Contains(lines[4], `"status":"bounced"`) {
		t.Errorf("events:\n%s", got)
	}
}

// Each check must pass a good parser and find the fault of a bad one.
func TestChecks(t *testing.T) {
	calls := 0
	tests := []struct {
		name  string
		parse parserFunc
		want  string // part of the first failure; "" none
	}{
		{"good", plain, ""},
		{"no kind", func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) {
			return append(dst, mta.Event{Time: l.Ref, Instance: "a"}), nil
		}, "without time, instance or kind"},
		{"appends with an error", func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) {
			return append(dst, mta.Event{}), adapter.ErrUnknownLine
		}, "appended with the error"},
		{"other error", func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) { return dst, io.EOF }, "neither ErrUnknownLine"},
		{"forgets what stood before", func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) { return nil, nil }, "events before"},
		{"cut status", func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) {
			e := mta.Event{Time: l.Ref, Instance: "a", Kind: mta.KindDelivery, Status: mta.StatusDeferred}
			if strings.HasSuffix(l.Text, "sent.") {
				e.Status = mta.StatusSent
			}
			return append(dst, e), nil
		}, "cut at 0"},
		{"counts", func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) {
			calls++
			return append(dst, mta.Event{Time: l.Ref.Add(time.Duration(calls)), Instance: "a", Kind: mta.KindWarning}), nil
		}, "read twice differ"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := checkLog(toy(tt.parse), oneCase(t, plainLog))
			if tt.want == "" && len(list) > 0 {
				t.Errorf("failures of a good parser: %v", list)
			}
			if tt.want != "" && (len(list) == 0 || !strings.Contains(errors.Join(list...).Error(), tt.want)) {
				t.Errorf("failures: %v, want one with %q", list, tt.want)
			}
		})
	}
}

func TestCheckApart(t *testing.T) {
	mixing := toy(nil)
	mixing.Parser = func(adapter.ParserConfig) adapter.Parser {
		last := ""
		return parserFunc(func(dst []mta.Event, l adapter.Line) ([]mta.Event, error) {
			dst, err := plain(dst, l)
			if err == nil {
				dst[len(dst)-1].From, last = last, dst[len(dst)-1].QueueID
			}
			return dst, err
		})
	}
	if list := checkApart(mixing, oneCase(t, plainLog)); len(list) == 0 {
		t.Error("a parser that mixes instances passed")
	}
	if list := checkApart(toy(plain), oneCase(t, plainLog)); len(list) > 0 {
		t.Errorf("a parser that keeps instances apart failed: %v", list)
	}
}

func TestEmptyHost(t *testing.T) {
	a := toy(plain)
	if err := emptyHost(t.Context(), a); err != nil {
		t.Error(err)
	}
	a.Detect = func(context.Context, adapter.Host) ([]mta.Instance, error) { return make([]mta.Instance, 1), nil }
	if err := emptyHost(t.Context(), a); err == nil {
		t.Error("an instance on an empty host passed")
	}
}

func TestConfig(t *testing.T) {
	c := oneCase(t, "-- config --\nyear: 2025\ntimezone: Europe/Berlin\nref: 2025-01-02T03:04:05Z\ninstances: a b\n")
	if c.config.Year != 2025 || c.config.Location.String() != "Europe/Berlin" || c.ref.Year() != 2025 || len(c.config.Instances) != 2 {
		t.Errorf("config %+v, ref %v", c.config, c.ref)
	}
	for _, bad := range []string{"-- config --\nyaer: 1\n", "-- config --\nyear: x\n", "-- proc --\n{\"pidd\":1}\n"} {
		if _, err := newCase(txtar.Parse([]byte(bad))); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestHost(t *testing.T) {
	h, err := NewHost(txtar.Parse([]byte("-- file/etc/a --\ntext\n-- link/etc/b --\na\n-- denied/etc/c --\n-- file/etc/c/d --\n" +
		"-- file/proc/1/environ --\nA=1\\0B=2\n-- run/x -y --\nout\n-- fail/x -z --\nbad\n-- dial/run/s --\nab\n\\0c\n-- nodial/run/t --\ndenied\n")))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(h, "etc/b"); string(b) != "text\n" {
		t.Errorf("link: %q, %v", b, err)
	}
	if b, err := fs.ReadFile(h, "proc/1/environ"); string(b) != "A=1\x00B=2\n" {
		t.Errorf("environ: %q, %v", b, err)
	}
	if _, err := h.Open("etc/c/d"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("open below denied: %v", err)
	}
	if _, err := h.Lstat("etc/c"); err != nil {
		t.Errorf("lstat of denied: %v", err)
	}
	if _, err := h.Lstat("etc/c/d"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("lstat below denied: %v", err)
	}
	if out, err := h.Run(t.Context(), "x", "-y"); string(out) != "out\n" {
		t.Errorf("run: %q, %v", out, err)
	}
	for _, arg := range []string{"-z", "-q"} {
		if _, err := h.Run(t.Context(), "x", arg); err == nil {
			t.Errorf("run x %s: no error", arg)
		}
	}
	c, err := h.Dial(t.Context(), "unix", "/run/s")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "ab\x00c" {
		t.Errorf("dial: %q, %v", b, err)
	}
	if _, err := h.Dial(t.Context(), "unix", "/run/t"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("dial denied: %v", err)
	}
	if _, err := h.Dial(t.Context(), "unix", "/run/u"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dial of nothing: %v", err)
	}
}
