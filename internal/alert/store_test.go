package alert

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// disk is what a book keeps.
type disk map[string]string

func (d disk) flush(b *Book) (puts, dels []string) {
	b.Flush(func(k string, v []byte) { d[k] = string(v); puts = append(puts, k) },
		func(k string) { delete(d, k); dels = append(dels, k) })
	return puts, dels
}

// again makes a book from what is kept, in an order of no meaning.
func (d disk) again(t *testing.T) *Book {
	t.Helper()
	b := New(Config{})
	for k, v := range d {
		if err := b.Load(k, []byte(v)); err != nil {
			t.Error(err)
		}
	}
	return b
}

func TestRestart(t *testing.T) {
	loop := cand("mail-loop", critical, 0, 60)
	dns := cand("own-dns-dead", critical, 0, 60)
	queue := cand("queue-growing", warning, 0, 60, needs("own-dns-dead"))
	alone := cand("own-dns-dead", info, 0, 60, explains())
	slow := cand("queue-old-mail", warning, 1200, 60)
	tests := []struct {
		name          string
		before, after []span
		stop, back    int
		until         int
		want          []string // after the restart
	}{
		{"still there", []span{{0, 900, loop}}, []span{{0, 9000, loop}}, 100, 110, 300, nil},
		{"over", []span{{0, 900, loop}}, nil, 100, 110, 600, []string{"410 resolved mail-loop critical since 0 end 110"}},
		{"back before it is given up", []span{{0, 900, loop}}, []span{{350, 400, loop}}, 100, 110, 600,
			[]string{"470 resolved mail-loop critical since 0 end 410"}},
		{"a day later", []span{{0, 900, loop}}, nil, 100, 86400, 86900, []string{"86700 resolved mail-loop critical since 0 end 86400"}},
		{"folded stays folded", []span{{0, 900, dns}, {10, 900, queue}}, []span{{0, 9000, dns}, {0, 9000, queue}}, 100, 110, 600, nil},
		{"folded persists", []span{{0, 900, dns}, {10, 900, queue}}, []span{{0, 150, dns}, {0, 9000, queue}}, 100, 110, 400,
			[]string{"220 resolved own-dns-dead critical since 0 end 160 +queue-growing until 160", "220 opened queue-growing warning since 220"}},
		{"what explains nothing still does not", []span{{0, 900, alone}}, []span{{0, 9000, queue}}, 100, 110, 200, []string{"110 opened queue-growing warning since 110"}},
		{"the need clock goes on", []span{{0, 2000, slow}}, []span{{0, 2000, slow}}, 600, 630, 1300, []string{"1200 opened queue-old-mail warning since 0"}},
		{"but not while nobody looked", []span{{0, 2000, slow}}, []span{{0, 9000, slow}}, 600, 4600, 5300, []string{"5200 opened queue-old-mail warning since 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := disk{}
			b := New(Config{})
			for s := 0; s <= tt.stop; s += 10 {
				play(b, tt.before, []int{s})
				d.flush(b)
			}
			c := d.again(t)
			if diff := cmp.Diff(b.Open(), c.Open()); diff != "" {
				t.Errorf("open after the restart (-before +after):\n%s", diff)
			}
			var got []string
			for _, ch := range play(c, tt.after, every(10, tt.back, tt.until)) {
				got = append(got, say(ch))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes after the restart (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlushIsIncremental(t *testing.T) {
	d, b := disk{}, New(Config{Past: 1})
	first := cand("mail-loop", critical, 0, 0)
	second := cand("disk-filling", critical, 0, 0)
	if puts, _ := d.flush(b); puts != nil {
		t.Errorf("an empty book kept %q", puts)
	}
	play(b, []span{{0, 0, first}}, []int{0})
	id := b.Open()[0].ID
	puts, _ := d.flush(b)
	if diff := cmp.Diff([]string{"clock", "open/" + id}, puts); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	if puts, dels := d.flush(b); puts != nil || dels != nil {
		t.Errorf("without a step: put %q, deleted %q", puts, dels)
	}
	play(b, nil, []int{10})
	puts, dels := d.flush(b)
	if diff := cmp.Diff([][]string{{"past/" + id}, {"open/" + id}}, [][]string{puts, dels}); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
	play(b, []span{{20, 20, second}}, []int{20, 30})
	d.flush(b)
	if len(b.Past()) != 1 || d["past/"+id] != "" || len(d) != 2 {
		t.Errorf("one past finding is kept, and there are %q", slices.Sorted(maps.Keys(d)))
	}
}

func TestIDsAfterRestart(t *testing.T) {
	d, b := disk{}, New(Config{})
	c := []diagnose.Candidate{cand("mail-loop", critical, 0, 0)}
	b.Step(at(0), c)
	b.Step(at(10), nil)
	d.flush(b)
	e := d.again(t)
	e.Step(at(-5), nil)
	got := e.Step(at(0), c) // the clock went back
	if len(got) != 1 || got[0].Finding.ID == b.Past()[0].ID {
		t.Errorf("got %v; the ID %q is taken", got, b.Past()[0].ID)
	}
	if first := New(Config{}).Step(at(0), c)[0].Finding.ID; first != b.Past()[0].ID {
		t.Errorf("the same data gave the IDs %q and %q", b.Past()[0].ID, first)
	}
}

func TestLoadErrors(t *testing.T) {
	for _, tt := range []struct{ name, key, value, want string }{
		{"no kind", "other/x", "{}", "no such kind of record"},
		{"no JSON", "open/x", "x", "invalid character"},
		{"another's", "open/x", `{"finding":{"id":"y","code":"mail-loop"}}`, "is not the record"},
		{"no code", "open/x", `{"finding":{"id":"x"}}`, "is not the record"},
		{"another's past", "past/x", `{"id":"y"}`, "is not the record"},
		{"pending of nothing", "pending/0", `{}`, "names no finding"},
		{"bad severity", "past/x", `{"id":"x","severity":"loud"}`, "severity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := New(Config{})
			err := b.Load(tt.key, []byte(tt.value))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if len(b.tracked) != 0 || len(b.Open()) != 0 || len(b.Past()) != 0 {
				t.Error("it changed the book")
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	b := New(Config{})
	b.Step(at(0), []diagnose.Candidate{cand("own-dns-dead", critical, 0, 60), cand("queue-growing", warning, 0, 60, needs("own-dns-dead")),
		cand("mail-held/x", info, 600, 60), cand("mail-loop", critical, 0, 0, family("a", 3))})
	b.Step(at(10), []diagnose.Candidate{cand("own-dns-dead", critical, 0, 60), cand("mail-held/x", info, 600, 60)})
	b.Flush(func(k string, v []byte) { f.Add(k, string(v), k, string(v)) }, func(string) {})
	f.Add("clock", `{"time":"9999-12-31T23:59:59Z","clock":9223372036854775807}`, "pending/1", `{"code":"mail-loop","first":-9223372036854775808,"need":9223372036854775807}`)
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		b := New(Config{})
		bad := b.Load(k1, []byte(v1)) != nil
		_ = b.Load(k2, []byte(v2))
		if bad && b.Load(k1, []byte(v1)) == nil {
			t.Errorf("%q is read at the second try", k1)
		}
		open := len(b.Open())
		var first []Change
		for _, s := range []int{0, 10, 700, 710} {
			first = append(first, b.Step(at(s), []diagnose.Candidate{cand("mail-loop", critical, 10, 0, needs("queue-growing"))})...)
		}
		for _, c := range first {
			if c.Kind == Opened && open > 0 && c.Finding.Code != mta.FindingMailLoop {
				t.Errorf("a restart opened %s", c.Finding.Code)
			}
		}
		d := disk{}
		b.Flush(func(k string, v []byte) {
			if !json.Valid(v) {
				t.Errorf("record %q is no JSON: %s", k, v)
			}
			d[k] = string(v)
		}, func(string) {})
		c := New(Config{})
		for k, v := range d {
			if err := c.Load(k, []byte(v)); err != nil && !strings.Contains(err.Error(), "is there already") {
				t.Error(err)
			}
		}
		c.Step(at(720), nil)
		c.Step(at(720).Add(time.Hour), nil)
	})
}
