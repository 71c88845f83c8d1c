package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// noon is when the test data begins.
func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func open(t testing.TB, dir string, cfg Config) *Store {
	t.Helper()
	s, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func queue(name string) *mta.Series {
	return &mta.Series{Name: "mta_queue_messages", Labels: []mta.Label{{Name: "instance", Value: "postfix"}, {Name: "queue", Value: name}}}
}

func add(t testing.TB, s *Store, at time.Time, samples ...mta.Sample) {
	t.Helper()
	if err := s.Append(mta.Tick{Time: at, Samples: samples}); err != nil {
		t.Fatal(err)
	}
}

// values gives the raw values of one queue, with their seconds after noon.
func values(t testing.TB, s *Store, queue string) map[int]float64 {
	t.Helper()
	got, err := s.Select(context.Background(), "mta_queue_messages", map[string]string{"queue": queue}, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]float64{}
	for _, sr := range got {
		for _, p := range sr.Points {
			out[int(p.Time.Sub(noon())/time.Second)] = p.Value
		}
	}
	return out
}

func TestAppendAndRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	if !s.Last().IsZero() {
		t.Errorf("Last of an empty store: %v", s.Last())
	}
	active, deferred := queue("active"), queue("deferred")
	for i := range 31 {
		add(t, s, noon().Add(time.Duration(i)*10*time.Second),
			mta.Sample{Series: active, Value: float64(i)}, mta.Sample{Series: deferred, Value: float64(10 * i)})
	}
	end := noon().Add(300 * time.Second)
	for _, again := range []string{"open", "after a restart"} {
		t.Run(again, func(t *testing.T) {
			if !s.Last().Equal(end) {
				t.Errorf("Last is %v, want %v", s.Last(), end)
			}
			readAll(t, s, end)
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, Config{})
	}
}

func readAll(t *testing.T, s *Store, end time.Time) {
	ctx := t.Context()
	labelsOf := func(q string) map[string]string {
		return map[string]string{"__name__": "mta_queue_messages", "instance": "postfix", "queue": q}
	}
	tests := []struct {
		name string
		ask  func() (any, error)
		want any
	}{
		{"vector", func() (any, error) { return s.Query(ctx, `mta_queue_messages{queue="active"}`, end) },
			mta.QueryResult{Type: "vector", Series: []mta.SeriesData{{Labels: labelsOf("active"), Points: []mta.Point{{Time: end, Value: 30}}}}}},
		{"rate", func() (any, error) { return s.Query(ctx, `sum(rate(mta_queue_messages[1m]))`, end) },
			mta.QueryResult{Type: "vector", Series: []mta.SeriesData{{Labels: map[string]string{}, Points: []mta.Point{{Time: end, Value: 1.1}}}}}},
		{"scalar", func() (any, error) { return s.Query(ctx, `1/0`, end) },
			mta.QueryResult{Type: "scalar", Series: []mta.SeriesData{{Points: []mta.Point{{Time: end, Value: math.Inf(1)}}}}}},
		{"string", func() (any, error) { return s.Query(ctx, `"x"`, end) },
			mta.QueryResult{Type: "string", Text: "x", Series: []mta.SeriesData{{Points: []mta.Point{{Time: end}}}}}},
		{"empty", func() (any, error) { return s.Query(ctx, `nothing`, end) }, mta.QueryResult{Type: "vector", Series: []mta.SeriesData{}}},
		{"range", func() (any, error) {
			return s.QueryRange(ctx, `max(mta_queue_messages)`, noon(), noon().Add(time.Minute), 30*time.Second)
		}, mta.QueryResult{Type: "matrix", Series: []mta.SeriesData{{Labels: map[string]string{}, Points: []mta.Point{
			{Time: noon(), Value: 0}, {Time: noon().Add(30 * time.Second), Value: 30}, {Time: noon().Add(time.Minute), Value: 60}}}}}},
		{"raw", func() (any, error) {
			return s.Select(ctx, "mta_queue_messages", map[string]string{"queue": "deferred"}, noon().Add(10*time.Second), noon().Add(20*time.Second))
		}, []mta.SeriesData{{Labels: labelsOf("deferred"), Points: []mta.Point{
			{Time: noon().Add(10 * time.Second), Value: 10}, {Time: noon().Add(20 * time.Second), Value: 20}}}}},
		{"series", func() (any, error) {
			return s.Series(ctx, []string{`mta_queue_messages`, `{queue="active"}`}, time.Time{}, time.Time{})
		}, []map[string]string{labelsOf("active"), labelsOf("deferred")}},
		{"series elsewhen", func() (any, error) {
			return s.Series(ctx, []string{`mta_queue_messages`}, end.Add(time.Hour), time.Time{})
		}, []map[string]string{}},
		{"names", func() (any, error) { return s.LabelNames(ctx, nil, time.Time{}, time.Time{}) }, []string{"__name__", "instance", "queue"}},
		{"values", func() (any, error) {
			return s.LabelValues(ctx, "queue", []string{`{queue="active"}`, `{instance="postfix"}`}, time.Time{}, time.Time{})
		}, []string{"active", "deferred"}},
	}
	near := cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9 })
	when := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.ask()
			if err != nil {
				t.Fatal(err)
			}
			if r, ok := got.(mta.QueryResult); ok {
				r.Warnings = nil // "not a counter" is said of our test data
				got = r
			}
			if diff := cmp.Diff(got, tt.want, near, when); diff != "" {
				t.Errorf("(-got +want)\n%s", diff)
			}
		})
	}
}

func TestQueryErrors(t *testing.T) {
	s := open(t, t.TempDir(), Config{MaxSamples: 50})
	active := queue("active")
	for i := range 100 {
		add(t, s, noon().Add(time.Duration(i)*time.Second), mta.Sample{Series: active}, mta.Sample{Series: queue("twin"), Value: 1})
	}
	at := noon().Add(99 * time.Second)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	query := func(ctx context.Context, expr string) error { _, err := s.Query(ctx, expr, at); return err }
	closed := open(t, t.TempDir(), Config{})
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"syntax", query(t.Context(), `sum(`), ErrBadQuery},
		{"unknown function", query(t.Context(), `summ(x)`), ErrBadQuery},
		{"type", query(t.Context(), `rate(x)`), ErrBadQuery},
		{"too many samples", query(t.Context(), `max_over_time(mta_queue_messages[5m])`), mta.ErrQueryRun},
		{"many to many", query(t.Context(), `mta_queue_messages + on(instance) mta_queue_messages`), mta.ErrQueryRun},
		{"cancelled", query(cancelled, `mta_queue_messages`), context.Canceled},
		{"step", func() error { _, err := s.QueryRange(t.Context(), `x`, at, at, 0); return err }(), ErrBadQuery},
		{"end", func() error { _, err := s.QueryRange(t.Context(), `x`, at, at.Add(-1), time.Second); return err }(), ErrBadQuery},
		{"range of a range", func() error { _, err := s.QueryRange(t.Context(), `x[5m]`, at, at, time.Second); return err }(), ErrBadQuery},
		{"selector", func() error { _, err := s.Series(t.Context(), []string{`{`}, at, at); return err }(), ErrBadQuery},
		{"everything", func() error { _, err := s.LabelNames(t.Context(), []string{`{queue=~".*"}`}, at, at); return err }(), ErrBadQuery},
		{"label", func() error { _, err := s.LabelValues(t.Context(), "", nil, at, at); return err }(), ErrBadQuery},
		{"closed", func() error { _, err := closed.Query(t.Context(), `x`, at); return err }(), errClosed},
		{"append closed", closed.Append(mta.Tick{Time: at}), errClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("got %v, want %v", tt.err, tt.want)
			}
		})
	}
}

func TestQueryTimeout(t *testing.T) {
	s := open(t, t.TempDir(), Config{Timeout: time.Nanosecond})
	add(t, s, noon(), mta.Sample{Series: queue("active")})
	if _, err := s.Query(t.Context(), `mta_queue_messages`, noon()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// Samples that cannot be stored are counted, and their neighbours are stored.
func TestDropped(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	a, b := queue("a"), queue("b")
	odd := &mta.Series{Name: "mta_odd", Labels: []mta.Label{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}}
	at := func(sec int) time.Time { return noon().Add(time.Duration(sec) * time.Second) }
	steps := []struct {
		name    string
		sec     int
		samples []mta.Sample
		dropped int64
	}{
		{"first", 7200, []mta.Sample{{Series: a, Value: 1}}, 0},
		{"same again", 7200, []mta.Sample{{Series: a, Value: 1}}, 0},
		{"contradiction", 7200, []mta.Sample{{Series: a, Value: 2}, {Series: b, Value: 3}}, 1},
		{"late", 4000, []mta.Sample{{Series: a, Value: 4}}, 0},
		{"too late", 3000, []mta.Sample{{Series: a, Value: 5}}, 1},
		{"invalid", 7210, []mta.Sample{{Series: odd, Value: 6}, {Series: a, Value: 7}}, 1},
	}
	var want int64
	for _, st := range steps {
		add(t, s, at(st.sec), st.samples...)
		want += st.dropped
		if got := s.Dropped(); got != want {
			t.Errorf("%s: Dropped is %d, want %d", st.name, got, want)
		}
	}
	if diff := cmp.Diff(values(t, s, "a"), map[int]float64{7200: 1, 4000: 4, 7210: 7}); diff != "" {
		t.Errorf("a (-got +want)\n%s", diff)
	}
	if diff := cmp.Diff(values(t, s, "b"), map[int]float64{7200: 3}); diff != "" {
		t.Errorf("b (-got +want)\n%s", diff)
	}
	if !s.Last().Equal(at(7210)) {
		t.Errorf("Last is %v", s.Last())
	}
}

// Readers go on while ticks are stored and the TSDB is replaced.
func TestReadersMeanwhile(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	a := queue("a")
	add(t, s, noon(), mta.Sample{Series: a})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for last := 0; ; {
				select {
				case <-done:
					return
				default:
				}
				got, err := s.Select(context.Background(), "mta_queue_messages", nil, time.Time{}, time.Time{})
				if err != nil || len(got) != 1 || len(got[0].Points) < last {
					t.Errorf("after %d points: %d series, %v", last, len(got), err)
					return
				}
				last = len(got[0].Points)
				if _, err := s.Query(context.Background(), `rate(mta_queue_messages[1m])`, s.Last()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := 1; i <= 200; i++ {
		add(t, s, noon().Add(time.Duration(i)*time.Minute), mta.Sample{Series: a, Value: float64(i)})
		if i%50 == 0 {
			s.appendMu.Lock()
			s.suspect = true // as after a failed write
			s.appendMu.Unlock()
		}
	}
	close(done)
	wg.Wait()
	if n := len(values(t, s, "a")); n != 201 {
		t.Errorf("%d points", n)
	}
}

// A clock that was far ahead is told of, as it costs every tick since.
func TestClockStepsBack(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	a := queue("a")
	add(t, s, noon().Add(48*time.Hour), mta.Sample{Series: a, Value: 1})
	if err := s.Trouble(); err != nil {
		t.Fatal(err)
	}
	add(t, s, noon(), mta.Sample{Series: a, Value: 2})
	if err := s.Trouble(); err == nil || !strings.Contains(err.Error(), "the clock") {
		t.Errorf("Trouble: got %v", err)
	}
	add(t, s, noon().Add(47*time.Hour+30*time.Minute), mta.Sample{Series: a, Value: 3})
	if err := s.Trouble(); err != nil {
		t.Errorf("Trouble: got %v", err)
	}
	if s.Dropped() != 1 {
		t.Errorf("Dropped is %d", s.Dropped())
	}
}

// A series that a tick leaves out is unknown from then on, not unchanged.
func TestAbsentSeriesEnds(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	a, b := queue("a"), queue("b")
	at := func(i int) time.Time { return noon().Add(time.Duration(10*i) * time.Second) }
	add(t, s, at(0), mta.Sample{Series: a, Value: 1}, mta.Sample{Series: b, Value: 1})
	add(t, s, at(1), mta.Sample{Series: a, Value: 2})
	add(t, s, at(2), mta.Sample{Series: a, Value: 3})
	add(t, s, at(3), mta.Sample{Series: a, Value: 4}, mta.Sample{Series: b, Value: 4})
	for i, want := range []float64{2, 1, 1, 2} {
		r, err := s.Query(t.Context(), `count(mta_queue_messages)`, at(i))
		if err != nil || len(r.Series) != 1 || r.Series[0].Points[0].Value != want {
			t.Errorf("tick %d: got %+v %v, want %v", i, r.Series, err, want)
		}
	}
	if diff := cmp.Diff(values(t, s, "b"), map[int]float64{0: 1, 30: 4}); diff != "" {
		t.Errorf("raw points (-got +want)\n%s", diff)
	}
	if s.Dropped() != 0 {
		t.Errorf("Dropped is %d", s.Dropped())
	}
	if n := len(s.writer.series); n != 2 {
		t.Errorf("%d series are remembered", n)
	}
}

// Two days of ticks pass through blocks and compactions and come back whole;
// what is older than the retention goes.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Retention: 24 * time.Hour})
	a := queue("a")
	const minutes = 48 * 60
	for i := range minutes {
		add(t, s, noon().Add(time.Duration(i)*time.Minute), mta.Sample{Series: a, Value: float64(i)})
	}
	if err := s.Trouble(); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got := values(t, s, "a")
		for i := minutes - 24*60; i < minutes; i++ {
			if v, ok := got[60*i]; !ok || v != float64(i) {
				t.Fatalf("minute %d: %v %v", i, v, ok)
			}
		}
		if _, ok := got[0]; ok {
			t.Errorf("the first sample, two days old, is still there: %d samples", len(got))
		}
	}
	check()
	if n := len(s.db.Blocks()); n < 2 || n > 20 {
		t.Errorf("%d blocks", n)
	}
	if head := s.db.Head(); head.MaxTime()-head.MinTime() > 3*time.Hour.Milliseconds() {
		t.Errorf("%d ms are in memory", head.MaxTime()-head.MinTime())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Config{Retention: 24 * time.Hour})
	check()
}

func TestBackFill(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	a := queue("a")
	for i := range 10 {
		add(t, s, noon().Add(time.Duration(i)*time.Minute), mta.Sample{Series: a, Value: 1})
	}
	b, err := s.BackFill()
	if err != nil {
		t.Fatal(err)
	}
	const hours = 60
	for i := -hours; i < 2; i++ { // the last two are at and after the live ones
		if err := b.Append(mta.Tick{Time: noon().Add(time.Duration(i) * time.Hour), Samples: []mta.Sample{{Series: a, Value: 2}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Append(mta.Tick{Time: noon().Add(-hours * time.Hour)}); err == nil {
		t.Error("an older day after a newer one is taken")
	}
	add(t, s, noon().Add(10*time.Minute), mta.Sample{Series: a, Value: 1})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Dropped() != 2 {
		t.Errorf("Dropped is %d", b.Dropped())
	}
	add(t, s, noon().Add(11*time.Minute), mta.Sample{Series: a, Value: 1})
	want := map[int]float64{}
	for i := range 12 {
		want[60*i] = 1
	}
	for i := 1; i <= hours; i++ {
		want[-3600*i] = 2
	}
	if diff := cmp.Diff(values(t, s, "a"), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestOpenUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(file, Config{}); err == nil {
		_ = s.Close()
		t.Error("a plain file is opened")
	}
}

func BenchmarkAppend500(b *testing.B) {
	s := open(b, b.TempDir(), Config{})
	tick := mta.Tick{Samples: make([]mta.Sample, 500)}
	for i := range tick.Samples {
		tick.Samples[i].Series = queue(fmt.Sprintf("q%d", i))
	}
	for n := 0; b.Loop(); n++ {
		tick.Time = noon().Add(time.Duration(n) * 10 * time.Second)
		for i := range tick.Samples {
			tick.Samples[i].Value += float64(i % 7)
		}
		if err := s.Append(tick); err != nil {
			b.Fatal(err)
		}
	}
}
