package detect

import (
	"fmt"
	"testing"
	"time"
)

const step10 = 10 * time.Second

// taught gives a set that has watched a count for some days.
func taught(seed uint64, days int, perHour float64) (*Set, *Signal, *source, time.Time) {
	set := New(Config{})
	g := set.Signal("x", Count)
	src := newSource(seed, perHour, min(0.1, 0.02+100/perHour))
	end := run(set, monday.Add(10*time.Hour), time.Duration(days)*24*time.Hour, step10, func(now time.Time) {
		g.SetCount(src.count(now, 10, 1))
	})
	return set, g, src, end
}

// TestQuietTraffic holds the rate at which ordinary traffic is called strange:
// by its definition once in a thousand hours and window.
func TestQuietTraffic(t *testing.T) {
	for _, tt := range []struct {
		days  int
		limit int // episodes in three weeks, both directions and silence
	}{{1, 5}, {3, 5}, {14, 3}} {
		for _, perHour := range []float64{2, 200, 3600, 500 * 3600} {
			t.Run(fmt.Sprintf("%d days at %.0f an hour", tt.days, perHour), func(t *testing.T) {
				episodes := 0
				for seed := range uint64(3) {
					set, g, src, now := taught(100+seed, tt.days, perHour)
					var last time.Time
					run(set, now, 7*24*time.Hour, step10, func(now time.Time) {
						if g.Up().Strange() || g.Down().Strange() || g.Silent().Strange() {
							if now.Sub(last) > time.Hour {
								episodes++
							}
							last = now
						}
						g.SetCount(src.count(now, 10, 1))
					})
				}
				if episodes > tt.limit {
					t.Errorf("%d strange episodes in three weeks, want at most %d", episodes, tt.limit)
				}
			})
		}
	}
}

func TestSurgeIsFound(t *testing.T) {
	for _, tt := range []struct {
		perHour float64
		days    int
		factor  float64
		within  time.Duration
		since   time.Duration // error at most
	}{
		{500 * 3600, 14, 3, 90 * time.Second, 20 * time.Second},
		{3600, 14, 3, 3 * time.Minute, time.Minute},
		{3600, 3, 3, 10 * time.Minute, time.Minute},
		{200, 14, 3, 30 * time.Minute, 8 * time.Minute},
		{20, 14, 10, 30 * time.Minute, 10 * time.Minute},
		{2, 14, 50, 30 * time.Minute, 20 * time.Minute},
	} {
		t.Run(fmt.Sprintf("x%.0f at %.0f an hour after %d days", tt.factor, tt.perHour, tt.days), func(t *testing.T) {
			set, g, src, began := taught(5, tt.days, tt.perHour)
			var found, since time.Time
			run(set, began, tt.within+20*time.Minute, step10, func(now time.Time) {
				if found.IsZero() && g.Up().Strange() {
					found = now
				}
				if !found.IsZero() && since.IsZero() && now.Sub(found) >= time.Minute {
					since = g.Since(g.Up())
				}
				g.SetCount(src.count(now, 10, tt.factor))
			})
			if found.IsZero() || found.Sub(began) > tt.within {
				t.Fatalf("found after %v, want %v", found.Sub(began), tt.within)
			}
			if off := since.Sub(began).Abs(); off > tt.since {
				t.Errorf("since is off by %v, want at most %v", since.Sub(began), tt.since)
			}
			t.Logf("found after %v, since off by %v, %+v", found.Sub(began), since.Sub(began), g.Up())
		})
	}
}

func TestSilenceIsFound(t *testing.T) {
	for _, tt := range []struct {
		perHour float64
		within  time.Duration // 0: never in three hours
	}{{500 * 3600, 20 * time.Second}, {3600, 2 * time.Minute}, {200, 45 * time.Minute}, {2, 0}} {
		t.Run(fmt.Sprintf("%.0f an hour", tt.perHour), func(t *testing.T) {
			set, g, _, began := taught(6, 14, tt.perHour)
			last := g.Last()
			var found, since time.Time
			run(set, began, 3*time.Hour, step10, func(now time.Time) {
				if found.IsZero() && g.Silent().Strange() {
					found, since = now, g.Since(g.Silent())
				}
				g.SetCount(0)
			})
			switch {
			case tt.within == 0 && !found.IsZero():
				t.Errorf("guessed after %v on an idle host", found.Sub(began))
			case tt.within > 0 && (found.IsZero() || found.Sub(began) > tt.within+step10):
				t.Errorf("found after %v, want %v", found.Sub(began), tt.within)
			case tt.within > 0 && !since.Equal(last):
				t.Errorf("silent since %v, want the last event %v", since, last)
			}
		})
	}
}

func TestHolidayIsNotSilence(t *testing.T) {
	set, g, src, now := taught(7, 14, 600)
	began := run(set, now, 14*time.Hour, step10, func(now time.Time) { g.SetCount(src.count(now, 10, 1)) })
	run(set, began, 24*time.Hour, step10, func(now time.Time) {
		if r := g.Silent(); r.Strange() {
			t.Fatalf("a slow day is called silence at %v: %+v", now, r)
		}
		g.SetCount(src.count(now, 10, 0.15))
	})
}

// TestIncidentIsNotLearned: a flood of some hours leaves the expectation as it was.
func TestIncidentIsNotLearned(t *testing.T) {
	for _, marked := range []bool{true, false} {
		set, g, src, now := taught(8, 3, 3600)
		want, _ := g.Expected(time.Hour)
		set.Incident(marked)
		now = run(set, now, 6*time.Hour, step10, func(now time.Time) { g.SetCount(src.count(now, 10, 20)) })
		set.Incident(false)
		now = run(set, now, 18*time.Hour, step10, func(now time.Time) { g.SetCount(src.count(now, 10, 1)) })
		got, _ := g.Expected(time.Hour)
		if ratio := got / want; marked && (ratio < 0.6 || ratio > 1.6) {
			t.Errorf("expected %.0f an hour before the incident, %.0f after it", want, got)
		}
		if r := g.past.At(g.past.Len() - 20); r.Marked != marked {
			t.Errorf("an hour of the incident is marked: %v, want %v", r.Marked, marked)
		}
		_ = now
	}
}

func TestIncidentIsLearnedAfterADay(t *testing.T) {
	set, g, src, now := taught(9, 2, 3600)
	set.Incident(true)
	run(set, now, 30*time.Hour, step10, func(now time.Time) { g.SetCount(src.count(now, 10, 3)) })
	n := g.past.Len()
	if g.past.At(n-1).Marked || g.past.At(n-20).Marked || !g.past.At(n-40).Marked {
		t.Errorf("after 30 hours: the last hour marked %v, one of the first day %v, one before it %v",
			g.past.At(n-1).Marked, g.past.At(n-20).Marked, g.past.At(n-40).Marked)
	}
	if e, ok := g.Expected(time.Hour); !ok || e < 2*src.rate(set.now) || g.Up().Strange() {
		t.Errorf("expected %v, at a level of %v: %+v", e, 3*src.rate(set.now), g.Up())
	}
}

func TestNeedsHistory(t *testing.T) {
	set := New(Config{})
	g := set.Signal("x", Count)
	src := newSource(1, 3600, 0.1)
	feed := func(f float64) func(time.Time) {
		return func(now time.Time) { g.SetCount(src.count(now, 10, f)) }
	}
	now := run(set, monday, 5*time.Hour+50*time.Minute, step10, feed(1))
	now = run(set, now, 5*time.Minute, step10, feed(50))
	if g.Judging() || g.Up() != (Rarity{}) {
		t.Errorf("judges after %v: %+v", g.LearnedFrom(), g.Up())
	}
	if v, ok := g.Value(); !ok || v < 100 {
		t.Errorf("value %v %v: known at once", v, ok)
	}
	if b := g.Range(); b.LearnedFrom != 5*time.Hour || !(b.Low <= b.Middle && b.Middle < b.High) {
		t.Errorf("range %+v", b)
	}
	wide := g.Range()
	now = run(set, now, 14*24*time.Hour, step10, feed(1))
	if b := g.Range(); b.High/b.Middle >= wide.High/wide.Middle {
		t.Errorf("range after 5 h %+v, after 14 days %+v", wide, b)
	}
	_ = now
}

func TestClocksGoBack(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	set := New(Config{Location: berlin})
	g := set.Signal("x", Count)
	local := func(now time.Time) float64 { // people's hours: busy from 8 to 18
		n := now.In(berlin)
		h := float64(n.Hour()) + float64(n.Minute())/60
		return 5 + 95*max(0, min(1, h-7, 19-h)) // they come and go within an hour
	}
	src := newSource(11, 1, 0)
	feed := func(now time.Time) { g.SetCount(poisson(src.rng, local(now))) }
	now := run(set, time.Date(2026, 10, 5, 0, 0, 0, 0, berlin), 20*24*time.Hour, time.Minute, feed)
	run(set, now, 48*time.Hour, time.Minute, func(now time.Time) {
		if up, down := g.Up(), g.Down(); up.Strange() || down.Strange() {
			t.Fatalf("%v: up %+v, down %+v", now.In(berlin), up, down)
		}
		feed(now)
	})
	if l := set.Learned(); l < 21*24*time.Hour || l > 23*24*time.Hour {
		t.Errorf("learned %v", l)
	}
}

func TestGauge(t *testing.T) {
	set := New(Config{})
	g := set.Signal("deferred", Gauge)
	src := newSource(3, 600, 0)
	level := func(now time.Time, f float64) float64 { return 200 + f*src.count(now, 120, 1) }
	now := run(set, monday, 4*24*time.Hour, step10, func(now time.Time) {
		if r := g.Up(); r.Strange() {
			t.Fatalf("%v: %+v", now, r)
		}
		g.SetGauge(level(now, 1))
	})
	began := now
	var found time.Time
	run(set, now, time.Hour, step10, func(now time.Time) {
		if found.IsZero() && g.Up().Strange() {
			found = now
		}
		g.SetGauge(level(now, 1) * (1 + now.Sub(began).Minutes()/10)) // it doubles every ten minutes
	})
	if found.IsZero() || found.Sub(began) > 35*time.Minute {
		t.Errorf("growth found after %v", found.Sub(began))
	}
	if off := g.Since(g.Up()).Sub(began).Abs(); off > 20*time.Minute { // a ramp has no moment
		t.Errorf("since off by %v", off)
	}
}

func TestRatio(t *testing.T) {
	set := New(Config{})
	g := set.Signal("failures", Ratio)
	src, bad := newSource(3, 1200, 0.1), newSource(4, 1, 0)
	feed := func(now time.Time, p float64) {
		n := src.count(now, 10, 1)
		k := min(n, poisson(bad.rng, n*p))
		g.SetRatio(k, n)
	}
	episodes := 0
	now := run(set, monday, 7*24*time.Hour, step10, func(now time.Time) {
		if g.Up().Strange() {
			episodes++
		}
		feed(now, 0.05)
	})
	if episodes > 30 {
		t.Errorf("strange in %d steps of a quiet week", episodes)
	}
	began := now.Add(9 * time.Hour)
	now = run(set, now, 9*time.Hour, step10, func(now time.Time) { feed(now, 0.05) })
	var found time.Time
	run(set, now, time.Hour, step10, func(now time.Time) {
		if found.IsZero() && g.Up().Strange() {
			found = now
		}
		feed(now, 0.5)
	})
	if found.IsZero() || found.Sub(began) > 5*time.Minute {
		t.Errorf("half of all fails: found after %v", found.Sub(began))
	}
	if off := g.Since(g.Up()).Sub(began).Abs(); off > 2*time.Minute {
		t.Errorf("since off by %v", off)
	}
}
