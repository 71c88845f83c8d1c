package detect

import (
	"math"
	"testing"
	"unsafe"
)

func TestFormulas(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"count as expected", countZ(100, 100, 0.12), 0},
		{"count, Poisson", countZ(1.44, 1, 1e-4), 2 * (math.Sqrt(1.815) - math.Sqrt(1.375))},
		{"count, dispersed", countZ(3e6, 1e6, 0.04), 2 / 0.2 * (math.Log(3) / 2)},
		{"count, none of few", countZ(0, 3, 0.12), 2 / math.Sqrt(0.12) * (math.Asinh(math.Sqrt(0.12*0.375)) - math.Asinh(math.Sqrt(0.12*3.375)))},
		{"count and back", countAt(countZ(500, 100, 0.2), 100, 0.2), 500},
		{"count far below", countAt(-50, 10, 0.1), 0},
		{"ratio as expected", ratioZ(19.625, 99.25, 0.2, 0, 0), 0},
		{"ratio", ratioZ(50, 100, 0.1, 0, 0), 2 * math.Sqrt(100.5) * (math.Asin(math.Sqrt(50.375/100.75)) - math.Asin(math.Sqrt(0.1)))},
		{"ratio, correlated", ratioZ(50, 100, 0.1, 0.03, 0), ratioZ(50, 100, 0.1, 0, 0) / math.Sqrt(1+99*0.03)},
		{"ratio, one of one", ratioZ(1, 1, 0, 0, 0.3), 2 * math.Sqrt(1.5) * math.Asin(math.Sqrt(1.375/1.75))},
		{"gauge doubled", gaugeScale(2e6) - gaugeScale(1e6), math.Ln2},
		{"gauge and back", gaugeAt(gaugeScale(17)), 17},
		{"gauge below zero and back", gaugeAt(gaugeScale(-17)), -17},
		{"gauge at zero", gaugeAt(gaugeScale(0)), 0},
		{"tail at its place", priorTail.rarity(priorLoc), -math.Log10(1 - math.Exp(-1))},
		{"tail far out", priorTail.rarity(priorLoc + 0.7*10*math.Ln10), 10},
		{"tail below its record", tail{loc: 2, scale: 0.3, record: 9}.rarity(8.9), Noted},
		{"normal", normalRarity(3, 60), -math.Log10(60 * 0.0013498980316300957)},
		{"normal, ordinary", normalRarity(0, 60), 0},
		{"normal, far out", normalRarity(1e6, 60), rarest},
	} {
		if math.Abs(tt.got-tt.want) > 1e-4*max(1, math.Abs(tt.want)) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestRatioZIsFinite holds for all small denominators and shares.
func TestRatioZIsFinite(t *testing.T) {
	for n := 1.0; n < 30; n++ {
		for k := 0.0; k <= n; k++ {
			for _, p := range []float64{0, 0.001, 0.5, 0.999, 1} {
				if z := ratioZ(k, n, p, 0.01, 0.36); math.IsNaN(z) || math.IsInf(z, 0) {
					t.Fatalf("%v of %v against %v: %v", k, n, p, z)
				}
			}
		}
	}
}

func TestFitTail(t *testing.T) {
	if got := fitTail(0, 0, 0, priorTail, leastScale, 0); math.Abs(got.loc-priorLoc) > 1e-9 || math.Abs(got.scale-priorScale) > 1e-9 {
		t.Errorf("nothing learned: got %+v", got)
	}
	want := tail{loc: 1.5, scale: 0.5}
	got := fitTail(want.loc+want.scale*gumbel50, want.loc+want.scale*gumbel90, 1e6, priorTail, leastScale, 3)
	if math.Abs(got.loc-want.loc) > 1e-3 || math.Abs(got.scale-want.scale) > 1e-3 || math.Abs(got.record-3.3) > 1e-9 {
		t.Errorf("much learned: got %+v", got)
	}
	if got := fitTail(0.1, 0.1, 600, priorTail, leastScale, 0); got.scale < leastScale {
		t.Errorf("a series that never moves: got %+v", got)
	}
}

func TestBytes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		to     func(float64) byte
		from   func(byte) float64
		values []float64
		off    float64 // relative error
	}{
		{"peak", peakByte, peakOf, []float64{0.5, 2, 4.5, 8, 30, 120}, 0.07},
		{"silence", silenceByte, silenceOf, []float64{1, 14, 300, 2e5}, 0.06},
		{"spread", spreadByte, spreadOf, []float64{1e-3, 0.12, 3}, 0.03},
		{"residual", residualByte, residualOf, []float64{-30, -1, -0.2, 0.2, 1, 30}, 0.06},
	} {
		for _, v := range tt.values {
			if got := tt.from(tt.to(v)); math.Abs(got-v) > tt.off*math.Abs(v) {
				t.Errorf("%s of %v: got %v", tt.name, v, got)
			}
		}
	}
	if peakOf(peakByte(1e9)) < 100 || spreadOf(spreadByte(0)) != 0 || residualOf(residualByte(0)) != 0 || residualByte(-1e300) == 0 {
		t.Error("the ends of a scale are lost")
	}
}

func TestSignalIsSmall(t *testing.T) {
	set := New(Config{})
	g := set.Signal("x", Count)
	set.Begin(monday)
	g.SetCount(1)
	set.End()
	size := int(unsafe.Sizeof(*g)) + len(g.ring)*4 + len(g.cur.parts)*8 + 840*(9+layouts[Count].size) + 840/4
	if size > 30_000 {
		t.Errorf("a signal takes %d bytes", size)
	}
	t.Logf("a count takes %d bytes, %d of them fixed", size, unsafe.Sizeof(*g))
}
