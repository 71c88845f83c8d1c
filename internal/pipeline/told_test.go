package pipeline

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
)

func codes(list []mta.Finding) []string {
	out := []string{}
	for _, f := range list {
		out = append(out, string(f.Code))
	}
	return out
}

// TestWhatThePastOpenedIsTold: nobody is called for time that is over, but
// what is open when it ends must be told all the same.
func TestWhatThePastOpenedIsTold(t *testing.T) {
	b := New(Config{Adapters: all.Adapters(), Judge: true})
	b.SetInstances(instances)
	batch := func(atEnd bool, lines ...string) {
		t.Helper()
		text := ""
		for _, l := range lines {
			text += l
		}
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: text, AtEnd: atEnd}); err != nil {
			t.Fatal(err)
		}
	}
	fails := "master[9]: warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling"
	batch(false, logged(0, "qmgr[12]: A1B2C3D4E7: removed"), logged(time.Minute, fails), logged(2*time.Minute, fails),
		logged(3*time.Minute, fails), logged(4*time.Minute, "qmgr[12]: A1B2C3D4E7: removed"))
	open, _ := b.Findings()
	if d := cmp.Diff([]string{"daemon-flapping"}, codes(open)); d != "" {
		t.Fatalf("open in the past (-want +got):\n%s", d)
	}
	if list, anew := b.TakeChanges(); len(list) > 0 || anew {
		t.Errorf("in the past: %d changes, anew %v", len(list), anew)
	}
	batch(true)
	if err := b.Tick(ctx, noon.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if list, anew := b.TakeChanges(); len(list) > 0 || !anew {
		t.Errorf("at present: %d changes, anew %v; want those who are told to look at what is open", len(list), anew)
	}
	if err := b.Tick(ctx, noon.Add(5*time.Minute+10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, anew := b.TakeChanges(); anew {
		t.Error("asked to look once more")
	}
}

const (
	overRecord = `finding/past/20261101T000000Z-1`
	overText   = `{"id":"20261101T000000Z-1","code":"own-dns-dead","severity":"critical","since":"2026-11-01T00:00:00Z","noticed":"2026-11-01T00:00:00Z","end":"2026-11-01T01:00:00Z"}`
	openRecord = `finding/open/20261101T000000Z-2`
	openText   = `{"finding":{"id":"20261101T000000Z-2","code":"mail-loop","severity":"critical","since":"2026-11-01T00:00:00Z","noticed":"2026-11-01T00:00:00Z"},"lead":{}}`
)

// TestAdopt: what an import found stays over a restart, also when it came
// while a commit failed; what was open where its logs end is not open now.
func TestAdopt(t *testing.T) {
	for _, tt := range []struct {
		name    string
		stepped bool
	}{{"before the first step", false}, {"while watching", true}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			db, series := stores(t, dir)
			r := &refusing{DB: db}
			begin := func(db StateStore) *Belt {
				b := New(Config{State: db, Adapters: all.Adapters(), Judge: true})
				if err := b.Restore(ctx); err != nil {
					t.Fatal(err)
				}
				return b
			}
			b := begin(r)
			if tt.stepped {
				if err := b.Tick(ctx, noon); err != nil {
					t.Fatal(err)
				}
			}
			err := b.Adopt(func(put func(string, []byte), _ func(string)) {
				put(overRecord, []byte(overText))
				put(openRecord, []byte(openText))
			})
			if err != nil {
				t.Fatal(err)
			}
			r.full = true
			if err := b.Tick(ctx, noon.Add(10*time.Second)); !errors.Is(err, state.ErrFull) {
				t.Fatal(err)
			}
			r.full = false
			if err := b.Tick(ctx, noon.Add(20*time.Second)); err != nil {
				t.Fatal(err)
			}
			closeAll(t, db, series)
			db, series = stores(t, dir)
			defer closeAll(t, db, series)
			b = begin(db)
			open, past := b.Findings()
			if slices.Contains(codes(open), "mail-loop") || !slices.Equal(codes(past), []string{"own-dns-dead"}) {
				t.Errorf("after a restart open %v, past %v", codes(open), codes(past))
			}
		})
	}
}
