package detect

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"
)

// store keeps what Flush hands out.
type store map[string][]byte

func (st store) flush(s *Set) (written int) {
	s.Flush(func(k string, v []byte) { st[k] = append([]byte(nil), v...); written++ }, func(k string) { delete(st, k) })
	return written
}

func (st store) load(t *testing.T, s *Set) {
	t.Helper()
	for k, v := range st {
		if err := s.Load(k, v); err != nil {
			t.Fatal(err)
		}
	}
}

// feeder feeds one signal of each kind.
func feeder(seed uint64) func(s *Set) func(now time.Time) {
	src := newSource(seed, 3600, 0.05)
	cache := map[time.Time]float64{}
	return func(s *Set) func(now time.Time) {
		return func(now time.Time) {
			x, ok := cache[now]
			if !ok {
				x = src.count(now, 10, 1)
				cache[now] = x
			}
			s.Signal("count", Count).SetCount(x)
			s.Signal("ratio", Ratio).SetRatio(math.Floor(x/10), x)
			s.Signal("gauge", Gauge).SetGauge(50 + x)
		}
	}
}

// TestRestart: a set that is flushed, dropped and loaded says the same as one
// that lived on, once its windows are full again.
func TestRestart(t *testing.T) {
	feed := feeder(1)
	lived, kept := New(Config{}), store{}
	now := run(lived, monday, 4*24*time.Hour+17*time.Hour+25*time.Minute, step10, func(now time.Time) {
		feed(lived)(now)
		if now.Unix()%600 == 0 {
			kept.flush(lived)
		}
	})
	again := New(Config{})
	kept.load(t, again)
	if d := lived.Learned() - again.Learned(); d < 0 || d > time.Hour {
		t.Errorf("learned %v, after the restart %v", lived.Learned(), again.Learned())
	}
	run(lived, now, time.Minute, step10, feed(lived))
	run(again, now, time.Minute, step10, feed(again))
	if v, ok := again.Signal("count", Count).Expected(time.Hour); !ok || !again.Signal("count", Count).Judging() {
		t.Fatalf("does not judge at once: expected %v %v", v, ok)
	}
	run(lived, now.Add(time.Minute), 200*time.Minute, step10, feed(lived))
	run(again, now.Add(time.Minute), 200*time.Minute, step10, feed(again))
	for _, name := range []string{"count", "ratio", "gauge"} {
		a, b := lived.signals[name], again.signals[name]
		for i := range layouts[a.kind].windows {
			if d := math.Abs(a.win[i].z - b.win[i].z); d > 0.1 {
				t.Errorf("%s, window %d: z %v, after the restart %v", name, i, a.win[i].z, b.win[i].z)
			}
			if d := math.Abs(a.win[i].tail[up].loc - b.win[i].tail[up].loc); d > 0.05 {
				t.Errorf("%s, window %d: tail %+v, after the restart %+v", name, i, a.win[i].tail[up], b.win[i].tail[up])
			}
		}
		ra, rb := a.Range(), b.Range()
		if math.Abs(ra.High-rb.High) > 0.05*ra.High || (ra.LearnedFrom-rb.LearnedFrom).Abs() > 15*time.Minute {
			t.Errorf("%s: range %+v, after the restart %+v", name, ra, rb)
		}
	}
}

func TestFlushIsFrugal(t *testing.T) {
	feed := feeder(2)
	set, kept := New(Config{}), store{}
	now := run(set, monday, 50*time.Hour, step10, feed(set))
	kept.flush(set)
	if n := kept.flush(set); n != 0 {
		t.Errorf("%d records without a change", n)
	}
	written := 0
	run(set, now, time.Hour, step10, func(now time.Time) {
		feed(set)(now)
		written += kept.flush(set)
	})
	if written > 3*(12+2) {
		t.Errorf("%d records in an hour for 3 signals", written)
	}
	size := 0
	for k, v := range kept {
		if strings.HasPrefix(k, "d") {
			size = max(size, len(v))
		}
	}
	if size > 600 {
		t.Errorf("a day takes %d bytes", size)
	}
	// What is loaded before the first step is kept already.
	again := New(Config{})
	kept.load(t, again)
	if n := (store{}).flush(again); n != 0 {
		t.Errorf("%d loaded records handed out again", n)
	}
}

// TestImportIsJoined: the past of an import joins what was watched meanwhile.
func TestImportIsJoined(t *testing.T) {
	old, kept := New(Config{}), store{}
	feedOld := func(now time.Time) { old.Signal("x", Count).SetCount(10) }
	run(old, monday, 50*time.Hour, step10, feedOld)
	kept.flush(old)
	live := New(Config{})
	run(live, monday.Add(48*time.Hour), 3*time.Hour, step10, func(now time.Time) { live.Signal("x", Count).SetCount(20) })
	kept.load(t, live)
	g := live.Signal("x", Count)
	if n := g.past.Len(); n != 50 {
		t.Errorf("%d hours, want 48 imported and 2 watched", n)
	}
	if i, ok := g.past.Find(g.past.At(49).Hour - 1); !ok || math.Abs(float64(g.past.At(i).A)-7200) > 1 {
		t.Errorf("a watched hour was replaced: %+v", g.past.At(i))
	}
	again := store{}
	again.flush(live)
	days := 0
	for k := range again {
		if strings.HasPrefix(k, "d") {
			days++
		}
	}
	if days != 3 {
		t.Errorf("%d days to be kept after the import, want 3", days)
	}
	if live.Learned() != 50*time.Hour {
		t.Errorf("learned %v", live.Learned())
	}
}

func TestIncidentSurvivesRestart(t *testing.T) {
	set, kept := New(Config{}), store{}
	feed := func(s *Set) func(time.Time) { return func(time.Time) { s.Signal("x", Count).SetCount(10) } }
	now := run(set, monday, 10*time.Hour, step10, feed(set))
	set.Incident(true)
	now = run(set, now, 20*time.Hour, step10, feed(set))
	kept.flush(set)
	again := New(Config{})
	kept.load(t, again)
	run(again, now, time.Minute, step10, feed(again))
	again.Incident(true)
	now = run(again, now.Add(time.Minute), 3*time.Hour, step10, feed(again))
	if !again.suspended() {
		t.Error("learns while the incident is open")
	}
	run(again, now, 2*time.Hour, step10, feed(again))
	if again.suspended() {
		t.Error("does not learn after 24 hours: the restart began them anew")
	}
}

func TestForgetting(t *testing.T) {
	set, kept := New(Config{}), store{}
	step := 10 * time.Minute
	g := set.Signal("gone", Gauge)
	now := run(set, monday, 48*time.Hour, step, func(time.Time) {
		g.SetGauge(3)
		set.Signal("stays", Gauge).SetGauge(4)
	})
	kept.flush(set)
	keys := maps.Clone(kept)
	now = run(set, now, 40*24*time.Hour, step, func(time.Time) { set.Signal("stays", Gauge).SetGauge(4) })
	kept.flush(set)
	for k := range keys {
		if _, have := kept[k]; have && strings.HasSuffix(k, "/gone") {
			t.Errorf("%s is still kept", k)
		}
	}
	if _, ok := g.Value(); ok || len(g.ring) > 0 {
		t.Error("a signal that is not fed has a value, or keeps its last hours")
	}
	for range set.All {
	}
	if n := set.signals["stays"].past.Len(); n > 36*24 {
		t.Errorf("%d hours kept", n)
	}
	if n := len(kept); n > 39 {
		t.Errorf("%d records kept", n)
	}
	run(set, now, time.Hour, step, func(time.Time) { g.SetGauge(5) })
	if v, ok := g.Value(); !ok || v != 5 || set.Signal("gone", Gauge) != g {
		t.Errorf("a signal that comes back: %v %v", v, ok)
	}
}

// TestManySignalsComeAndGo: names that come for an hour each are bounded, in
// memory and in what is kept, and those that are still fed stay.
func TestManySignalsComeAndGo(t *testing.T) {
	s, kept := New(Config{Step: time.Minute}), store{}
	most := 0
	run(s, monday, 2*24*time.Hour, time.Minute, func(now time.Time) {
		s.Signal("always", Count).SetCount(1)
		for i := range 300 {
			s.Signal(fmt.Sprintf("%s-%d", now.Format("02-15"), i), Count).SetCount(1)
		}
		if now.Minute() == 0 {
			kept.flush(s)
			most = max(most, len(s.signals))
		}
	})
	if most > maxAsleep+5*301 {
		t.Errorf("%d signals at a time", most)
	}
	names := map[string]bool{}
	for k := range kept {
		_, name, _ := strings.Cut(k, "/")
		names[name] = true
	}
	if len(names) > maxAsleep+5*301 || !names["always"] {
		t.Errorf("%d names are kept", len(names))
	}
	if learned := s.Signal("always", Count).Range().LearnedFrom; learned < 40*time.Hour {
		t.Errorf("what is fed is learned from %s", learned)
	}
}

func TestLoadRefuses(t *testing.T) {
	set := New(Config{})
	set.Signal("x", Count)
	good, kept := New(Config{}), store{}
	run(good, monday, 2*time.Hour, step10, func(time.Time) { good.Signal("x", Count).SetCount(1) })
	kept.flush(good)
	day := kept[dayKey(20605, "x")]
	for _, tt := range []struct {
		name, key string
		value     []byte
	}{
		{"empty key", "", nil},
		{"unknown key", "y/x", day},
		{"no number", "dx/x", day},
		{"no name", "d20605", day},
		{"empty", "d20605/x", nil},
		{"another kind", "d20605/x", append([]byte{byte(Gauge)}, day[1:]...)},
		{"no kind", "d20605/x", append([]byte{9}, day[1:]...)},
		{"cut", "d20605/x", day[:len(day)-1]},
		{"newer version", "d20605/x", append([]byte{day[0], 99}, day[2:]...)},
		{"hour cut", "now/x", kept["now/x"][:50]},
		{"set", "set", []byte{1, 2}},
	} {
		if err := set.Load(tt.key, tt.value); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	if g := set.Signal("x", Count); g.past.Len() != 0 || g.cur.used || set.Learned() != 0 {
		t.Error("a record that was refused changed something")
	}
}

func FuzzLoad(f *testing.F) {
	set, kept := New(Config{}), store{}
	feed := feeder(3)
	run(set, monday, 3*time.Hour+25*time.Minute, step10, feed(set))
	set.Incident(true)
	kept.flush(set)
	for k, v := range kept {
		f.Add(k, v)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		set := New(Config{})
		if err := set.Load(key, value); err != nil && len(set.signals) > 0 {
			t.Fatal("an error, and a signal all the same")
		}
		for name, g := range maps.Clone(set.signals) {
			n := 0.0
			run(set, monday.Add(4*time.Hour), 2*time.Hour, time.Minute, func(time.Time) {
				n++
				g.SetCount(n)
				g.SetGauge(n)
				g.SetRatio(1, n)
			})
			for _, v := range []float64{g.Up().L, g.Down().Z, g.Range().High, g.Range().Low} {
				if math.IsNaN(v) {
					t.Fatalf("%q: %v", name, fmt.Sprint(g.Up(), g.Down(), g.Range()))
				}
			}
			g.Since(Rarity{Z: 1, Window: time.Minute})
			(store{}).flush(set)
		}
	})
}
