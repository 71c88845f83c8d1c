package adaptertest

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// fewLines is less than the goldens of an adapter have together.
const fewLines = 200

// LogLines gives every log line of the archives that the pattern names.
func LogLines(t testing.TB, pattern string) (lines []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name == "log" {
				lines = append(lines, strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")...)
			}
		}
	}
	if len(lines) < fewLines {
		t.Fatalf("found %d lines in %s, want more", len(lines), pattern)
	}
	return lines
}

// CheckAllocations holds that no line that can be read costs memory. A piece of it for
// some hundred lines is let pass.
func CheckAllocations(t *testing.T, p adapter.Parser, ref time.Time, lines []string) {
	t.Helper()
	events := make([]mta.Event, 0, 4)
	for _, l := range lines {
		in := adapter.Line{Text: l, Ref: ref}
		if _, err := p.Parse(events, in); err != nil {
			continue // an error may allocate
		}
		n := testing.AllocsPerRun(20, func() { _, _ = p.Parse(events, in) })
		if n != 0 {
			t.Errorf("%v allocations for %s", n, l)
		}
	}
}

// CheckCut cuts every line at every byte and compares each event of a cut
// line with those of the whole one: there may be none. What a format can lose
// unseen only its adapter knows.
func CheckCut(t *testing.T, p adapter.Parser, ref time.Time, lines []string, compare func(t *testing.T, cut string, e *mta.Event, whole []mta.Event)) {
	t.Helper()
	var whole, events []mta.Event
	for _, l := range lines {
		var err error
		if whole, err = p.Parse(whole[:0], adapter.Line{Text: l, Ref: ref}); err != nil {
			continue // cut already
		}
		for i := range len(l) {
			events, err = p.Parse(events[:0], adapter.Line{Text: l[:i], Ref: ref})
			if err != nil && len(events) > 0 {
				t.Fatalf("events and an error for %q", l[:i])
			}
			for j := range events {
				compare(t, l[:i], &events[j], whole)
			}
		}
	}
}

// CheckAppends holds that an event stays as it is when the next line is read behind it.
// Each of the lines gives one event.
func CheckAppends(t *testing.T, p adapter.Parser, ref time.Time, first, second string) {
	t.Helper()
	events, err := p.Parse(nil, adapter.Line{Text: first, Ref: ref})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	before := events[0]
	if events, err = p.Parse(events, adapter.Line{Text: second, Ref: ref}); err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if d := cmp.Diff(before, events[0]); d != "" {
		t.Errorf("the first event changed:\n%s", d)
	}
}

// CheckUsed reads a line with a new parser and with one that has read others:
// both give the same, as often as they are asked. It gives the line's events,
// of which each has what every event has.
func CheckUsed(t *testing.T, a adapter.Adapter, in adapter.Line, others ...string) []mta.Event {
	t.Helper()
	fresh, used := a.Parser(adapter.ParserConfig{}), a.Parser(adapter.ParserConfig{})
	kept := []mta.Event{{Kind: mta.KindConnect}}
	first, errFirst := fresh.Parse(kept, in)
	for _, l := range others {
		if _, err := used.Parse(nil, adapter.Line{Text: l, Ref: in.Ref}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := used.Parse(nil, in); (err == nil) != (errFirst == nil) {
		t.Fatalf("%v at first, then %v", errFirst, err)
	}
	second, _ := used.Parse(kept[:1:1], in)
	if errFirst != nil && len(first) != 1 {
		t.Fatalf("%d events with %v", len(first)-1, errFirst)
	}
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("not the same the second time:\n%s", d)
	}
	for _, e := range first[1:] {
		if e.Time.IsZero() || e.Instance == "" || e.Program == "" || e.Kind == mta.KindNone {
			t.Errorf("event without time, instance, program or kind: %+v", e)
		}
		if e.Cause != mta.CauseNone {
			t.Errorf("the parser set cause %v", e.Cause)
		}
		if e.Kind == mta.KindDelivery && e.Status == mta.StatusNone {
			t.Error("delivery without status")
		}
	}
	return first[1:]
}

// BenchmarkLines measures a parser over the lines, one an operation.
func BenchmarkLines(b *testing.B, p adapter.Parser, ref time.Time, lines []string) {
	b.Helper()
	events := make([]mta.Event, 0, 4)
	size := 0
	for _, l := range lines {
		size += len(l) + 1
	}
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		var err error
		events, err = p.Parse(events[:0], adapter.Line{Text: lines[n], Ref: ref})
		if err != nil {
			b.Fatal(err)
		}
		if n++; n == len(lines) {
			n = 0
		}
	}
}
