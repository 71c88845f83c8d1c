package chart_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mtawatch/mtawatch/internal/chart"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	nan  = math.NaN()
)

// at gives points from noon on, one every so many seconds; NaN leaves one out.
func at(every int, values ...float64) []chart.Point {
	var list []chart.Point
	for i, v := range values {
		if v == v {
			list = append(list, chart.Point{T: noon.Add(time.Duration(i*every) * time.Second).UnixMilli(), V: v})
		}
	}
	return list
}

func same(t *testing.T, what string, got, want view.Line) {
	t.Helper()
	if diff := cmp.Diff(got, want, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("%s (-got +want)\n%s", what, diff)
	}
}

func TestGridIsBounded(t *testing.T) {
	for _, tt := range []struct {
		span, least, step time.Duration
	}{
		{time.Hour, 10 * time.Second, 10 * time.Second},
		{time.Hour, time.Minute, time.Minute},
		{24 * time.Hour, 10 * time.Second, time.Minute},
		{7 * 24 * time.Hour, 10 * time.Second, 10 * time.Minute},
		{14 * 24 * time.Hour, 10 * time.Second, 15 * time.Minute},
		{view.MaxChartSpan, 10 * time.Second, 2 * time.Hour / 2},
		{time.Minute, time.Hour, time.Hour},
	} {
		g := chart.NewGrid(noon.Add(17*time.Second), tt.span, tt.least)
		times := g.Times()
		if g.Step() != tt.step || len(times) > view.MaxChartPoints || g.To().Sub(g.From()) < tt.span {
			t.Errorf("%s: %d steps of %s over %s", tt.span, len(times), g.Step(), g.To().Sub(g.From()))
		}
		if last := times[len(times)-1]; last != noon.Unix()+17 {
			t.Errorf("%s: the last step ends at %d", tt.span, last)
		}
		for i := 1; i < len(times)-1; i++ {
			if times[i]-times[i-1] != int64(tt.step.Seconds()) || times[i]%int64(tt.step.Seconds()) != 0 {
				t.Fatalf("%s: step %d is from %d to %d", tt.span, i, times[i-1], times[i])
			}
		}
	}
}

func TestGauge(t *testing.T) {
	g := chart.NewGrid(noon.Add(5*time.Minute), 5*time.Minute, time.Minute) // from 11:59
	points := at(20, 1, 5, 2, 3, nan, nan, nan, nan, nan, nan, nan, nan, nan, 7, 8)
	same(t, "max", g.Max(points), view.Line{1, 5, 3, nan, nan, 8})
	if n := g.Last(points); n == nil || *n != 8 {
		t.Errorf("now is %v", n)
	}
	if n := g.Last(at(20, 1, 2)); n != nil {
		t.Errorf("a value of four minutes ago is now %v", *n)
	}
	same(t, "nothing", g.Max(nil), view.Line{nan, nan, nan, nan, nan, nan})
	// What comes every minute stands in steps of ten seconds.
	fine := chart.NewGrid(noon.Add(2*time.Minute), 30*time.Second, 10*time.Second)
	same(t, "sparse", fine.Max(at(60, 4, 5)), view.Line{5, 5, 5, 5})
	sum := chart.Add(at(60, 1, nan, 3), at(60, 10, 20, 30))
	if diff := cmp.Diff(sum, at(60, 11, 20, 33)); diff != "" {
		t.Errorf("sum (-got +want)\n%s", diff)
	}
	if diff := cmp.Diff(chart.Greatest(at(60, 1, nan, 3), at(60, 0, 20, 30)), at(60, 1, 20, 30)); diff != "" {
		t.Errorf("greatest (-got +want)\n%s", diff)
	}
}

func TestRate(t *testing.T) {
	g := chart.NewGrid(noon.Add(4*time.Minute), 4*time.Minute, time.Minute) // from 11:59
	for _, tt := range []struct {
		name string
		set  [][]chart.Point
		born bool
		want view.Line
	}{
		{"steady", [][]chart.Point{at(60, 100, 106, 112, 118, 124)}, false, view.Line{nan, 6, 6, 6, 6}},
		{"spread over what it took", [][]chart.Point{at(120, 100, 112, 136)}, false, view.Line{nan, 6, 6, 12, 12}},
		{"began anew", [][]chart.Point{at(60, 100, 106, 4, 10, 10)}, false, view.Line{nan, 6, 4, 6, 0}},
		{"two", [][]chart.Point{at(60, 100, 106, 112, 118, 124), at(60, nan, nan, 5, 6, 7)}, false, view.Line{nan, 6, 6, 7, 7}},
		{"two, born in sight", [][]chart.Point{at(60, 100, 106, 112, 118, 124), at(60, nan, nan, 5, 6, 7)}, true, view.Line{nan, 6, 11, 7, 7}},
		{"a long gap says nothing", [][]chart.Point{{{T: noon.Add(-time.Hour).UnixMilli(), V: 1}, {T: noon.Add(4 * time.Minute).UnixMilli(), V: 1000}}}, false,
			view.Line{nan, nan, nan, nan, nan}},
		{"none", nil, true, view.Line{nan, nan, nan, nan, nan}},
	} {
		same(t, tt.name, g.Rate(tt.set, tt.born), tt.want)
	}
	if n := g.RateNow([][]chart.Point{at(20, 100, 106, 112, 118, 124, 130, 136, 142, 148, 154, 160, 166, 172)}, false); n == nil || *n != 18 {
		t.Errorf("now %v a minute", n)
	}
	if n := g.RateNow([][]chart.Point{at(20, 100, 106)}, false); n != nil {
		t.Errorf("now %v a minute, of what ended", *n)
	}
}

func TestBands(t *testing.T) {
	g := chart.NewGrid(noon, 2*time.Minute, time.Minute)
	from := noon.Add(-time.Minute)
	known := func(low, middle, high float64) chart.Habit {
		return func(at time.Time) mta.Baseline {
			if at.Before(from) {
				return mta.Baseline{Time: at}
			}
			return mta.Baseline{Time: at, Low: low, Middle: middle, High: high, LearnedFrom: time.Hour}
		}
	}
	low, high := g.Band(chart.Together([]chart.Habit{known(7, 10, 14), known(6, 10, 13)}))
	same(t, "low", low, view.Line{nan, 15, 15})
	same(t, "high", high, view.Line{nan, 25, 25})
	low, _ = g.Band(chart.Together(nil))
	same(t, "nothing known", low, view.Line{nan, nan, nan})
}

func FuzzGrid(f *testing.F) {
	f.Add(int64(1795435200000), int64(time.Hour), int64(10*time.Second), int64(5), 3.0)
	f.Add(int64(-5), int64(0), int64(-1), int64(1<<40), -1.0)
	f.Fuzz(func(t *testing.T, end, span, least, first int64, v float64) {
		if end < -1<<50 || end > 1<<50 || span < 0 || span > int64(view.MaxChartSpan) || first < -1<<50 || first > 1<<50 {
			return
		}
		g := chart.NewGrid(time.UnixMilli(end), time.Duration(span), time.Duration(least))
		points := []chart.Point{{T: first, V: v}, {T: first + 60_000, V: v + 1}, {T: end, V: 2}}
		n := len(g.Times())
		if n == 0 || n > view.MaxChartPoints || len(g.Max(points)) != n || len(g.Rate([][]chart.Point{points}, true)) != n {
			t.Errorf("%d steps", n)
		}
	})
}
