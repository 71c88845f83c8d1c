package diagnose

import "testing"

// BenchmarkJudge measures what the rules cost in a step in which all is well.
func BenchmarkJudge(b *testing.B) {
	w := newWorld()
	w.now = onset
	w.run(step*400, nil)
	w.c.Now = w.now.Add(-step)
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range w.rules {
			r.Judge(w.c)
		}
	}
}
