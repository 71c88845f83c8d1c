package postfix

// A small runner for the log goldens in testdata. adaptertest does the same
// and more; this file goes when the adapter's record is there.

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

var updateLogGoldens = flag.Bool("update-log", false, "rewrite the events of the log goldens")

func TestLogGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/log-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("find golden files: %v, %v", files, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			section := func(want string) *txtar.File {
				for i := range ar.Files {
					if ar.Files[i].Name == want {
						return &ar.Files[i]
					}
				}
				return nil
			}
			log := section("log")
			if log == nil {
				t.Skip("no log section")
			}
			var cfg adapter.ParserConfig
			if f := section("config"); f != nil {
				cfg = goldenConfig(t, string(f.Data))
			}
			got := goldenEvents(newParser(cfg), string(log.Data))
			events := section("events")
			if *updateLogGoldens {
				if events == nil {
					ar.Files = append(ar.Files, txtar.File{Name: "events"})
					events = &ar.Files[len(ar.Files)-1]
				}
				events.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if events == nil {
				t.Fatal("no events section")
			}
			want := strings.Split(string(events.Data), "\n")
			if d := cmp.Diff(want, strings.Split(got, "\n")); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
}

func goldenConfig(t *testing.T, text string) (cfg adapter.ParserConfig) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "year":
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Year = n
		case "instances":
			for _, name := range strings.Fields(value) {
				cfg.Instances = append(cfg.Instances, mta.Instance{MTA: "postfix", Name: name})
			}
		case "":
		default:
			t.Fatalf("unknown key %q in config", key)
		}
	}
	return cfg
}

func goldenEvents(p adapter.Parser, log string) string {
	ref := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var b []byte
	var events []mta.Event
	n := 0
	for line := range strings.Lines(log) {
		n++
		line = strings.TrimSuffix(line, "\n")
		var err error
		events, err = p.Parse(events[:0], adapter.Line{Text: line, Ref: ref})
		for i := range events {
			b = append(events[i].AppendJSON(b), '\n')
		}
		var le *adapter.LineError
		if errors.As(err, &le) {
			b = append(b, `{"kind":"malformed","line":`...)
		} else if errors.Is(err, adapter.ErrUnknownLine) {
			b = append(b, `{"kind":"unknown","line":`...)
		} else {
			continue
		}
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, `,"text":`...)
		b = mta.AppendJSONString(b, line)
		if le != nil {
			b = append(b, `,"error":`...)
			b = mta.AppendJSONString(b, le.Error())
		}
		b = append(b, "}\n"...)
	}
	return string(b)
}
