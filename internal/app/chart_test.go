package app

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/view"
)

func series(name string, pairs ...string) *mta.Series {
	s := &mta.Series{Name: name, Labels: []mta.Label{{Name: "instance", Value: "postfix"}}}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	parsed, _ := mta.ParseSeries(s.Key())
	s.Counter = parsed.Counter
	return s
}

// watched gives a source with days of a mail server's readings, one every so
// often, which the judge has learned from.
func watched(t testing.TB, days int, every time.Duration) (*Source, time.Time) {
	t.Helper()
	store := openSeries(t)
	db, err := state.Open(t.TempDir()+"/state.db", state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	end := time.Now().Truncate(10 * time.Second).Add(-every)
	deferred, active, hold := series("mta_queue_messages", "queue", "deferred"), series("mta_queue_messages", "queue", "active"), series("mta_queue_messages", "queue", "hold")
	sent, failed := series("mta_delivery_attempts_total", "status", "sent", "cause", "none"), series("mta_delivery_attempts_total", "status", "bounced", "cause", "user-unknown")
	started := series("mta_process_start_time_seconds", "role", "dispatcher")
	from := end.Add(-time.Duration(days) * 24 * time.Hour)
	var n, bad float64
	cfg := pipeline.Config{Interval: every, State: db, History: store, Judge: true, Location: time.UTC}
	err = pipeline.Learn(t.Context(), db, cfg, func(yield func(mta.Reading) bool) {
		for now := from; !now.After(end); now = now.Add(every) {
			n += every.Minutes() * 60
			tick := mta.Tick{Time: now, Samples: []mta.Sample{{Series: deferred, Value: 30 + float64(now.Minute()%7)}, {Series: active, Value: 5}, {Series: hold, Value: 9},
				{Series: sent, Value: n}, {Series: started, Value: float64(from.Unix())}}}
			if now.Sub(from) > time.Duration(days)*12*time.Hour {
				bad += every.Minutes() * 3
				tick.Samples = append(tick.Samples, mta.Sample{Series: failed, Value: bad})
				tick.Samples[4].Value = float64(from.Add(time.Hour).Unix())
			}
			if err := store.Append(tick); err != nil {
				t.Fatal(err)
			}
			if !yield(mta.Reading{Tick: tick}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	belt := pipeline.New(cfg)
	if err := belt.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	belt.SetInstances([]mta.Instance{{MTA: "postfix", Name: "postfix"}})
	belt.SetQueue(mta.Queue{Time: end, Instance: "postfix", Queues: []mta.QueueCount{{Name: "deferred", Messages: 33, Bytes: -1}, {Name: "active", Messages: 5, Bytes: -1}, {Name: "hold", Messages: 9, Bytes: -1}}}, time.Hour)
	if err := belt.Tick(t.Context(), end.Add(every)); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Interval = every
	return &Source{belt: belt, cfg: c, series: store, location: time.UTC}, end
}

func find(t *testing.T, c view.Charts, id string) view.Chart {
	t.Helper()
	i := slices.IndexFunc(c.Charts, func(c view.Chart) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("there is no chart %q", id)
	}
	v := c.Charts[i]
	if n := len(v.Times); n < 2 || n > view.MaxChartPoints || len(v.Values) != n || len(v.Low) != n || len(v.High) != n {
		t.Fatalf("%s: %d times, %d values, %d low, %d high", id, n, len(v.Values), len(v.Low), len(v.High))
	}
	return v
}

func TestChartOfSigns(t *testing.T) {
	s, end := watched(t, 3, time.Minute)
	ask := func(q view.ChartQuery) view.Charts {
		t.Helper()
		q.End = end
		c, err := s.Chart(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	q := ask(view.ChartQuery{Sign: mta.SignQueues})
	all := find(t, q, "queues")
	mid := len(all.Values) / 2
	if v := all.Values[mid]; v < 35 || v > 41 {
		t.Errorf("%g messages wait, without those on hold", v)
	}
	if !(all.Low[mid] <= 38 && all.High[mid] >= 38) || all.Normal == nil || all.Now == nil {
		t.Errorf("normal is %g to %g; now %v, normal now %v", all.Low[mid], all.High[mid], all.Now, all.Normal)
	}
	if part := find(t, q, "queue active"); part.PartOf != "queues" || *part.Now != 5 {
		t.Errorf("active: %+v", part)
	}
	if hold := find(t, q, "queue hold"); hold.PartOf != "" || *hold.Now != 9 {
		t.Errorf("hold: part of %q, %v", hold.PartOf, *hold.Now)
	}
	f := ask(view.ChartQuery{Sign: mta.SignFailures, Span: 72 * time.Hour})
	bad := find(t, f, "failed")
	if bad.Direction != view.Down || bad.Values[len(bad.Values)/4] != 0 || math.Abs(bad.Values[len(bad.Values)*3/4]-3) > 0.1 {
		t.Errorf("failed: %s, %g then %g a minute", bad.Direction, bad.Values[len(bad.Values)/4], bad.Values[len(bad.Values)*3/4])
	}
	if sent := find(t, f, "sent"); math.Abs(float64(*sent.Now)-60) > 1 || math.Abs(sent.Values[mid/2]-60) > 1 {
		t.Errorf("sent %v a minute now, %g then", *sent.Now, sent.Values[mid/2])
	}
	if d := ask(view.ChartQuery{Sign: mta.SignDaemons, Span: 72 * time.Hour}); len(d.Lifelines) != 2 || d.Lifelines[1].End == nil {
		t.Errorf("lifelines: %+v", d.Lifelines)
	}
	one := ask(view.ChartQuery{Series: active().Key(), Span: time.Hour})
	if v := one.Charts[0]; len(one.Charts) != 1 || v.Values[10] != 5 || v.Normal == nil {
		t.Errorf("one series: %+v", one)
	}
	ask(view.ChartQuery{Sign: mta.SignConnections})
	for _, q := range []view.ChartQuery{{Instance: "nobody", Sign: mta.SignQueues}, {Sign: "traffic"}, {Series: "{{"}} {
		if _, err := s.Chart(t.Context(), q); !errors.Is(err, view.ErrQuestion) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// The same question gets the same answer for a moment, and a new one after it.
func TestChartIsRemembered(t *testing.T) {
	s, _ := watched(t, 2, time.Minute)
	q := view.ChartQuery{Sign: mta.SignQueues, Span: 48 * time.Hour}
	first, err := s.Chart(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Chart(t.Context(), q)
	if err != nil || !second.To.Equal(first.To) {
		t.Errorf("asked again: to %s, then to %s, %v", first.To, second.To, err)
	}
	if _, ok := s.habits.recall(q, time.Now().Add(time.Duration(first.Step)*time.Second/15)); ok {
		t.Error("it stands for too long")
	}
	q.End = time.Now()
	if _, err := s.Chart(t.Context(), q); err != nil || len(s.habits.answers) != 1 {
		t.Errorf("%d answers are kept, %v", len(s.habits.answers), err)
	}
}

func active() *mta.Series { return series("mta_queue_messages", "queue", "active") }

// What is asked again costs less: what was normal in past hours stays.
func BenchmarkChart14Days(b *testing.B) {
	s, end := watched(b, 14, 10*time.Second)
	for _, bb := range []struct {
		name string
		q    view.ChartQuery
		cold bool
	}{
		{"one series, first", view.ChartQuery{Series: active().Key()}, true},
		{"one series, again", view.ChartQuery{Series: active().Key()}, false},
		{"queues, first", view.ChartQuery{Sign: mta.SignQueues}, true},
		{"queues, again", view.ChartQuery{Sign: mta.SignQueues}, false},
		{"failures, again", view.ChartQuery{Sign: mta.SignFailures}, false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bb.q.Span, bb.q.End = 14*24*time.Hour, end
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				s.habits.answers = nil
				if bb.cold {
					s.habits.kept = nil
				}
				c, err := s.Chart(b.Context(), bb.q)
				if err != nil {
					b.Fatal(err)
				}
				text, err := json.Marshal(c)
				if err != nil {
					b.Fatal(err)
				}
				size = len(text)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
