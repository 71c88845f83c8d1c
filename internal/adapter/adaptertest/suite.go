// Package adaptertest holds the suite that every adapter passes and a Host
// made from a txtar archive. In go an adapter and the archives testdata/*.txtar
// of the calling package; out come test failures. The checks of parser.go take a
// parser and lines; an adapter adds what only its format can promise. It is for
// tests only.
//
// An archive holds inputs (the sections of Host; "log": log lines; "listing":
// a saved queue listing; "config") and the outputs that they must give:
//
//	events     the log's events, one JSON object a line; unknown and malformed
//	           lines in their place
//	instances  what Detect finds, as JSON
//	queue      what Count gives for each instance, one JSON object a line
//	list       what ReadList makes of the listing; without one, what List
//	           gives for each instance; one JSON object a line
//	conditions what Conditions gives for each instance, one JSON object a line
//	own        what Own gives for each instance: counters, waiting mail, processes;
//	           one JSON object a line
//	roles      the processes that have a role, one JSON object a line
//
// Only the outputs that an archive names are made. go test -update writes them
// anew. The section config has lines "key: value": year, timezone, ref (a time
// as in RFC 3339; by default 2026-11-23T12:00:00Z) and instances (names).
package adaptertest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
)

var update = flag.Bool("update", false, "write the outputs in testdata/*.txtar anew")

// Run runs the suite over testdata/*.txtar. It fails when there is none.
func Run(t *testing.T, a adapter.Adapter) {
	t.Helper()
	t.Run("required", func(t *testing.T) {
		if a.Name == "" || a.Detect == nil || a.Parser == nil {
			t.Fatal("an adapter needs Name, Detect and Parser")
		}
	})
	t.Run("empty host", func(t *testing.T) {
		if err := emptyHost(t.Context(), a); err != nil {
			t.Error(err)
		}
	})
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata/*.txtar: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runFile(t, a, file) })
	}
}

func runFile(t *testing.T, a adapter.Adapter, file string) {
	arc, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCase(arc)
	if err != nil {
		t.Fatal(err)
	}
	outputs := 0
	for i, f := range arc.Files {
		got, ok, err := c.output(t.Context(), a, f.Name)
		if err != nil {
			t.Fatalf("section %s: %v", f.Name, err)
		}
		if !ok {
			continue
		}
		outputs++
		if *update {
			arc.Files[i].Data = []byte(got)
		} else if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(string(f.Data), "\n")); diff != "" {
			t.Errorf("section %s (-got +want):\n%s", f.Name, diff)
		}
	}
	if outputs == 0 {
		t.Errorf("no section of outputs: events, instances, queue, list, conditions, own or roles")
	}
	if len(c.log) > 0 {
		for _, err := range checkLog(a, c) {
			t.Error(err)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(arc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
