package diagnose

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestProbeOfWhom: of two instances the one is accused whose port was asked.
func TestProbeOfWhom(t *testing.T) {
	set := detect.New(detect.Config{})
	g := set.Signal("probe", detect.Gauge)
	for i := range 12 {
		set.Begin(onset.Add(time.Duration(i) * 10 * time.Second))
		g.SetGauge(0)
		set.End()
	}
	a, b := &Instance{Name: "a", Ports: []*Port{{Port: "25"}}}, &Instance{Name: "b", Ports: []*Port{{Port: "2525"}}}
	c := &Case{Now: onset.Add(110 * time.Second), Instances: []*Instance{a, b}, Probes: map[string]*detect.Signal{"smtp": g}}
	for _, tt := range []struct {
		name, target string
		a, b         bool
	}{{"the one", "127.0.0.1:25", true, false}, {"the other", "[::1]:2525", false, true}, {"not known", "", true, false}} {
		c.Facts = &live{probe: mta.Probe{Name: "smtp", Target: tt.target}}
		_, inA := failedProbe(c, a)
		_, inB := failedProbe(c, b)
		if inA != tt.a || inB != tt.b {
			t.Errorf("%s: a %t, b %t", tt.name, inA, inB)
		}
	}
}
