package detect

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkStrange tells how often quiet traffic is called strange, in episodes a
// signal-week over the two directions and silence. TestQuietTraffic holds it.
func BenchmarkStrange(b *testing.B) {
	for _, days := range []int{1, 3, 14} {
		for _, rate := range []float64{2, 20, 200, 3600, 500 * 3600} {
			b.Run(fmt.Sprintf("days=%d/perhour=%.0f", days, rate), func(b *testing.B) {
				var episodes [3]float64
				weeks := 0.0
				for b.Loop() {
					for i, n := range quietWeek(uint64(weeks), days, rate) {
						episodes[i] += n
					}
					weeks++
				}
				for i, unit := range []string{"up/week", "down/week", "silent/week"} {
					b.ReportMetric(episodes[i]/weeks, unit)
				}
			})
		}
	}
}

// quietWeek counts the strange episodes in a week after some days.
func quietWeek(seed uint64, days int, rate float64) (episodes [3]float64) {
	set := New(Config{})
	g := set.Signal("x", Count)
	src := newSource(seed, rate, 0.1)
	var on [3]time.Time
	from := monday.AddDate(0, 0, int(seed))
	judgeFrom := from.AddDate(0, 0, days)
	run(set, from, time.Duration(days+7)*24*time.Hour, 10*time.Second, func(now time.Time) {
		g.SetCount(src.count(now, 10, 1))
		if now.Before(judgeFrom) {
			return
		}
		for i, r := range []Rarity{g.Up(), g.Down(), g.Silent()} {
			if r.Strange() {
				if now.Sub(on[i]) > time.Hour {
					episodes[i]++
				}
				on[i] = now
			}
		}
	})
	return episodes
}

// BenchmarkStep500 judges 500 signals of all kinds with two weeks of past, and
// reads their verdicts.
func BenchmarkStep500(b *testing.B) {
	set := New(Config{})
	var list []*Signal
	var src []*source
	for i := range 500 {
		list = append(list, set.Signal(fmt.Sprint("s", i), Kind(i%3)))
		src = append(src, newSource(uint64(i), []float64{2, 200, 36000}[i/3%3], 0.1))
	}
	now := monday
	feed := func(t time.Time) {
		for i, g := range list {
			x := src[i].rate(t) / 360
			switch g.Kind() {
			case Gauge:
				g.SetGauge(float64(int(x*10) + i%7))
			case Count:
				g.SetCount(float64(int(x) + (int(t.Unix()/10)+i)%3))
			default:
				g.SetRatio(float64((int(t.Unix()/10)+i)%2), float64(1+int(x)))
			}
		}
	}
	now = run(set, now, 14*24*time.Hour, 5*time.Minute, feed)
	now = run(set, now, 4*time.Hour, 10*time.Second, feed)
	var worst time.Duration
	for b.Loop() {
		set.Begin(now)
		feed(now)
		began := time.Now()
		set.End()
		for _, g := range list {
			g.Up()
			g.Down()
			g.Silent()
		}
		worst = max(worst, time.Since(began))
		now = now.Add(10 * time.Second)
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
}
