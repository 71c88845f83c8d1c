package detect

import (
	"math"
	"testing"
	"time"
)

func TestNoSignal(t *testing.T) {
	var g *Signal
	g.SetCount(1)
	g.SetGauge(1)
	g.SetRatio(1, 2)
	_, a := g.Value()
	_, _, b := g.Sum(time.Minute)
	_, c := g.Ago(0)
	_, d := g.Least(time.Minute)
	_, e := g.Expected(time.Minute)
	if a || b || c || d || e || g.Up() != g.Down() || g.Silent().L != 0 || !g.Last().IsZero() || g.Score() != 0 ||
		g.Name() != "" || g.Range().LearnedFrom != 0 || !g.Since(Rarity{Z: 1}).IsZero() || g.Known() != 0 || g.Judging() {
		t.Error("a signal that does not exist is known")
	}
}

func TestSumsAndGaps(t *testing.T) {
	set := New(Config{})
	c, r, l := set.Signal("c", Count), set.Signal("r", Ratio), set.Signal("l", Gauge)
	n := 0.0
	feed := func(now time.Time) {
		n++
		c.SetCount(2)
		r.SetRatio(1, 4)
		l.SetGauge(n)
	}
	now := run(set, monday, 2*time.Minute, step10, feed)
	if v, ok := c.Value(); !ok || v != 12 {
		t.Errorf("a minute of 2 each step: %v %v", v, ok)
	}
	if _, _, ok := c.Sum(10 * time.Minute); ok {
		t.Error("2 of 10 minutes are known, and a sum is told")
	}
	now = run(set, now, 3*time.Hour, step10, feed)
	if _, v, ok := c.Sum(3 * time.Hour); !ok || v != 2*1080 {
		t.Errorf("three hours: %v %v", v, ok)
	}
	if k, v, ok := r.Sum(20 * time.Minute); !ok || k != 120 || v != 480 {
		t.Errorf("20 minutes of a ratio: %v of %v %v", k, v, ok)
	}
	if v, ok := r.Value(); !ok || v != 0.25 {
		t.Errorf("share: %v %v", v, ok)
	}
	if v, ok := l.Ago(10 * time.Minute); !ok || v != n-60 {
		t.Errorf("ten minutes ago: %v %v, want %v", v, ok, n-60)
	}
	if v, ok := l.Least(time.Hour); !ok || v != n-359 {
		t.Errorf("least of an hour: %v %v, want %v", v, ok, n-359)
	}
	if _, v, ok := l.Sum(time.Minute); !ok || v != n-2.5 {
		t.Errorf("mean of a minute: %v %v, want %v", v, ok, n-2.5)
	}
	last := c.Last()
	// A pause of four minutes: unknown, not zero.
	now = now.Add(4 * time.Minute)
	set.Begin(now)
	feed(now)
	set.End()
	if _, ok := c.Value(); ok {
		t.Error("one step in a minute is known, and a value is told")
	}
	if _, v, ok := c.Sum(10 * time.Minute); !ok || v != 2*36 {
		t.Errorf("ten minutes with a pause: %v %v", v, ok)
	}
	if v, ok := l.Ago(2 * time.Minute); ok {
		t.Errorf("a value from within the pause: %v", v)
	}
	// A step that is not after the last is dropped.
	set.Begin(now.Add(-time.Hour))
	c.SetCount(1e6)
	set.End()
	if _, v, _ := c.Sum(10 * time.Minute); v != 2*36 || last.After(c.Last()) {
		t.Errorf("a step back in time counts: %v", v)
	}
	// A step in which nothing is read makes the value unknown.
	set.Begin(now.Add(10 * time.Second))
	set.End()
	if _, ok := l.Value(); ok {
		t.Error("a gauge that was not read has a value")
	}
	// A jump of a year forgets the last hours, not the past.
	learned := set.Learned()
	set.Begin(now.Add(365 * 24 * time.Hour))
	c.SetCount(1)
	set.End()
	if _, _, ok := c.Sum(time.Hour); ok || set.Learned() > learned+time.Hour || c.past.Len() < 3 {
		t.Errorf("after a jump: %v of past, %d hours", set.Learned(), c.past.Len())
	}
}

func TestAbsurdValuesAreUnknown(t *testing.T) {
	set := New(Config{})
	c, r, l := set.Signal("c", Count), set.Signal("r", Ratio), set.Signal("l", Gauge)
	set.Begin(monday)
	for _, v := range []float64{math.NaN(), math.Inf(1), -1, 1e300} {
		c.SetCount(v)
		r.SetRatio(v, 1)
		r.SetRatio(2, 1)
		if v != -1 {
			l.SetGauge(v)
		}
	}
	c.SetGauge(1)
	set.End()
	for range set.All {
		t.Error("a signal without a value is active")
	}
}

// TestStepsOfFiveMinutes: the windows follow the real distance of the steps.
func TestStepsOfFiveMinutes(t *testing.T) {
	set := New(Config{})
	g, slow := set.Signal("x", Gauge), set.Signal("slow", Gauge)
	n := 0
	now := run(set, monday, 10*24*time.Hour, 5*time.Minute, func(now time.Time) {
		g.SetGauge(100 + float64(now.Unix()/300%5))
		if n++; n%6 == 0 {
			slow.SetGauge(10)
		}
	})
	if set.step != 300 || set.size != 37 {
		t.Errorf("step %v, %d places", set.step, set.size)
	}
	if d := g.span(0); d != 5*time.Minute {
		t.Errorf("the shortest window is %v", d)
	}
	if l := slow.LearnedFrom(); l < 9*24*time.Hour {
		t.Errorf("a gauge that comes every half hour: learned %v", l)
	}
	found := 0
	run(set, now, time.Hour, 5*time.Minute, func(time.Time) {
		if g.Up().Strange() {
			found++
		}
		g.SetGauge(1000)
	})
	if found < 10 {
		t.Errorf("ten times the level is strange in %d of 12 steps", found)
	}
}

func TestScore(t *testing.T) {
	set := New(Config{})
	g := set.Signal("x", Gauge)
	src := newSource(1, 600, 0)
	high, at := 0.0, time.Time{}
	late := 0
	score := func(now time.Time, d time.Duration, more, limit float64) time.Time {
		for end := now.Add(d); now.Before(end); now = now.Add(5 * time.Minute) {
			set.Begin(now)
			g.SetGauge(50 + src.count(now, 300, 1) + more)
			set.End()
			v := g.Score()
			if v > high {
				high, at = v, now
			}
			if v > limit {
				late++
			}
		}
		return now
	}
	changed := score(monday, 14*24*time.Hour, 0, 2)
	quiet := high
	high = 0
	now := score(changed, time.Hour, 400, 2)
	score(now, 23*time.Hour, 400, quiet)
	if high <= quiet || at.Sub(changed) > 20*time.Minute {
		t.Errorf("a change scores %.2f after %v, two quiet weeks up to %.2f", high, at.Sub(changed), quiet)
	}
	if late > 2 {
		t.Errorf("%d peaks while the new level lasts", late)
	}
}
