package baseline

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHourOf(t *testing.T) {
	zone := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Skipf("no time zones here: %v", err)
		}
		return l
	}
	for _, tt := range []struct {
		name string
		at   string
		loc  *time.Location
		day  Day
		of   int
		into time.Duration
		week time.Weekday
	}{
		{"start of count", "1970-01-01T00:00:00Z", time.UTC, 0, 0, 0, time.Thursday},
		{"before it", "1969-12-31T23:30:00Z", time.UTC, -1, 23, 30 * time.Minute, time.Wednesday},
		{"half-hour zone", "2026-06-01T00:00:00Z", zone("Asia/Kolkata"), 20605, 5, 30 * time.Minute, time.Monday},
		{"summer", "2026-06-01T12:00:00Z", zone("Europe/Berlin"), 20605, 14, 0, time.Monday},
		{"winter", "2026-12-07T13:00:00Z", zone("Europe/Berlin"), 20794, 14, 0, time.Monday},
		{"first 2:30", "2026-10-25T00:30:00Z", zone("Europe/Berlin"), 20751, 2, 30 * time.Minute, time.Sunday},
		{"second 2:30", "2026-10-25T01:30:00Z", zone("Europe/Berlin"), 20751, 2, 30 * time.Minute, time.Sunday},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			h, into := HourOf(at, tt.loc)
			got := []any{h.Day(), h.Of(), into, h.Day().Weekday()}
			if diff := cmp.Diff([]any{tt.day, tt.of, tt.into, tt.week}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// monday is 2026-06-01 0:00.
const monday = Hour(20605 * 24)

func TestLikeness(t *testing.T) {
	var l Likeness
	target := monday + 28*24 + 14 // a Monday, 14:00
	l.For(target)
	fade := func(hours int) float64 { return math.Exp(-float64(hours) / 24 / 28) }
	for _, tt := range []struct {
		name         string
		past         Hour
		narrow, wide float64
		same         bool
	}{
		{"same hour a week ago", target - 7*24, fade(168), fade(168), true},
		{"Friday", target - 3*24, 0.4 * fade(72), 0.4 * fade(72), true},
		{"Sunday", target - 24, 0.02 * fade(24), 0.02 * fade(24), true},
		{"hour beside, a week ago", target - 7*24 + 1, 0.05 * fade(167), 0.6 * fade(167), false},
		{"an hour ago", target - 1, 0.05 * fade(1), 0.6 * fade(1), false},
		{"three hours ago", target - 3, 0, 0.12 * fade(3), false},
		{"four hours ago", target - 4, 0, 0, false},
		{"itself", target, 0, 0, false},
		{"later", target + 24, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, w, same := l.at(tt.past)
			if math.Abs(n-tt.narrow) > 1e-6 || math.Abs(w-tt.wide) > 1e-6 || same != tt.same {
				t.Errorf("got %.5f %.5f %v, want %.5f %.5f %v", n, w, same, tt.narrow, tt.wide, tt.same)
			}
		})
	}
	l.For(monday + 7*24)
	if n, _, _ := l.at(monday + 7*24 - 1); math.Abs(n-0.05*fade(1)) > 1e-6 {
		t.Errorf("Sunday 23:00 beside Monday 0:00: got %.5f, want the weight of a Monday", n)
	}
	l.For(monday + 12*24 + 10) // a Saturday
	if n, _, _ := l.at(monday + 6*24 + 10); math.Abs(n-0.25*fade(144)) > 1e-6 {
		t.Errorf("Sunday for a Saturday: got %.5f", n)
	}
}

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []weighted
		q    float64
		want float64
	}{
		{"one", []weighted{{5, 1}}, 0.5, 5},
		{"middle of two", []weighted{{2, 1}, {4, 1}}, 0.5, 3},
		{"heavier wins", []weighted{{2, 9}, {4, 1}}, 0.5, 2},
		{"three", []weighted{{1, 1}, {2, 1}, {9, 1}}, 0.5, 2},
		{"beyond the last", []weighted{{1, 1}, {2, 1}}, 0.99, 2},
		{"quarter", []weighted{{0, 1}, {1, 1}, {2, 1}, {3, 1}}, 0.25, 0.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			total := 0.0
			for _, v := range tt.list {
				total += v.w
			}
			if got := quantile(tt.list, total, tt.q); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBurstless(t *testing.T) {
	if got := Burstless([]float32{10, 10, 10, 1000, 10, 10, 10, 10, 10, 10, 10, 10}); got != 110+25 {
		t.Errorf("a burst of 1000: got %v, want 135", got)
	}
	if got := Burstless([]float32{0, 0, 3, 0}); got != 3 {
		t.Errorf("rare events: got %v, want 3", got)
	}
	if got := Burstless(nil); got != 0 {
		t.Errorf("nothing: got %v", got)
	}
}

// week is a host with office hours.
func week(h Hour) float64 {
	d := h.Day().Weekday()
	switch {
	case d == time.Saturday || d == time.Sunday:
		return 100
	case h.Of() >= 8 && h.Of() < 18:
		return 1000
	}
	return 200
}

func fill(s *Series, from, to Hour, f func(Hour) Record) {
	for h := from; h < to; h++ {
		r := f(h)
		r.Hour = h
		if r.Cover == 0 {
			r.Cover = 60
		}
		s.Put(r)
	}
}

func TestExpectLearnsTheWeek(t *testing.T) {
	for _, kind := range []Kind{Level, Events} {
		s := NewSeries(kind, 0)
		fill(s, monday, monday+14*24, func(h Hour) Record {
			if day := h.Day() - monday.Day(); day == 3 { // a holiday in the past
				return Record{A: 100}
			} else if day == 8 { // an incident
				return Record{A: 50000, Marked: true}
			}
			return Record{A: float32(week(h))}
		})
		for h := monday + 14*24; h < monday+21*24; h++ {
			var l Likeness
			l.For(h)
			e := s.Expect(&l)
			if !e.OK || math.Abs(e.Middle-week(h)) > 0.02*week(h) {
				t.Errorf("kind %d, %v %d:00: got %+v, want %v", kind, h.Day().Weekday(), h.Of(), e, week(h))
			}
			if e.Neff < 0.5 || e.Low > e.Middle {
				t.Errorf("kind %d, %v %d:00: got %+v", kind, h.Day().Weekday(), h.Of(), e)
			}
		}
	}
}

func TestExpectIsHonest(t *testing.T) {
	var l Likeness
	s := NewSeries(Events, 0)
	l.For(monday)
	if e := s.Expect(&l); e.OK {
		t.Errorf("without a past: got %+v", e)
	}
	s.Put(Record{Hour: monday, A: 100, Cover: 60})
	variance := []float64{}
	for _, days := range []int{0, 1, 3, 14} {
		fill(s, monday, monday+Hour(days*24), func(Hour) Record { return Record{A: 100} })
		l.For(monday + Hour(max(1, days*24)))
		e := s.Expect(&l)
		if !e.OK || math.Abs(e.Middle-100) > 1 {
			t.Errorf("after %d days: got %+v", days, e)
		}
		variance = append(variance, e.Variance())
	}
	if variance[0] != maxVariance {
		t.Errorf("after an hour: variance %v, want %v", variance[0], maxVariance)
	}
	for i := 1; i < len(variance); i++ {
		if variance[i] >= variance[i-1] {
			t.Errorf("variances do not fall with what is known: %v", variance)
		}
	}
	marked := NewSeries(Events, 0)
	marked.Put(Record{Hour: monday, A: 100, Cover: 60, Marked: true})
	l.For(monday + 1)
	if e := marked.Expect(&l); e.OK || marked.Learned() != 0 {
		t.Errorf("only an incident is known: got %+v, learned %v", e, marked.Learned())
	}
}

func TestExpectRareEvents(t *testing.T) {
	s := NewSeries(Events, 0)
	fill(s, monday, monday+14*24, func(h Hour) Record {
		switch {
		case h == monday+5*24+9:
			return Record{A: 300} // a burst that nobody marked
		case h%3 == 0:
			return Record{A: 3}
		}
		return Record{}
	})
	var l Likeness
	l.For(monday + 14*24 + 10)
	if e := s.Expect(&l); !e.OK || e.Middle < 0.5 || e.Middle > 1.8 {
		t.Errorf("one an hour in bursts of three: got %+v", e)
	}
}

func TestExpectShare(t *testing.T) {
	var l Likeness
	l.For(monday + 14*24 + 10)
	for _, tt := range []struct {
		name string
		a, b float32
		want float64
		ok   bool
	}{
		{"busy", 20, 400, 0.05, true},
		{"few", 1, 10, 0.1, true},
		{"none", 0, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSeries(Share, 0)
			fill(s, monday, monday+14*24, func(Hour) Record { return Record{A: tt.a, B: tt.b} })
			e := s.Expect(&l)
			if e.OK != tt.ok || math.Abs(e.Middle-tt.want) > 1e-6 {
				t.Errorf("got %+v, want %v %v", e, tt.want, tt.ok)
			}
		})
	}
}

func TestBetween(t *testing.T) {
	a, b := Expectation{Middle: 10, Low: 8, Neff: 1, Tau2: 0.1, OK: true}, Expectation{Middle: 20, Low: 12, Neff: 3, Tau2: 0.1, OK: true}
	jump := edge * math.Log(21.0/11)
	want := Expectation{Shape: jump * jump, Middle: 12.5, Low: 9, Neff: 1.5, Tau2: 0.1, OK: true}
	if got := a.Between(b, 0.25); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := a.Between(Expectation{}, 0.9); got != a {
		t.Errorf("next unknown: got %+v", got)
	}
}

func TestSeriesKeeps(t *testing.T) {
	s := NewSeries(Share, 2)
	put := func(h Hour, cover uint8, x byte) {
		s.Put(Record{Hour: h, A: 1, B: 2, Cover: cover, Extra: []byte{x, x}})
	}
	put(50, 60, 1)
	put(10, 30, 2)
	put(30, 60, 3)
	put(30, 40, 9) // saw less
	put(10, 60, 4) // saw more
	put(70, 0, 9)
	var got []Hour
	for i := range s.Len() {
		r := s.At(i)
		got = append(got, r.Hour, Hour(r.Extra[0]), Hour(r.Extra[1]))
	}
	if diff := cmp.Diff([]Hour{10, 4, 4, 30, 3, 3, 50, 1, 1}, got); diff != "" {
		t.Error(diff)
	}
	if !s.Mark(30, true) || s.Mark(31, true) || s.Learned() != 2*time.Hour {
		t.Errorf("marked: learned %v, want 2h", s.Learned())
	}
	var gone []Day
	s.Forget(2, func(d Day) { gone = append(gone, d) })
	if diff := cmp.Diff([]Day{0, 1}, gone); diff != "" || s.Len() != 1 || s.At(0).Hour != 50 {
		t.Errorf("forgot %v, left %d", gone, s.Len())
	}
}

func TestSeriesIsSmall(t *testing.T) {
	s := NewSeries(Events, 0)
	fill(s, 0, Hours, func(Hour) Record { return Record{A: 1} })
	if size := cap(s.hours)*4 + cap(s.a)*4 + cap(s.b)*4 + cap(s.meta); size > 10_000 {
		t.Errorf("five weeks take %d bytes", size)
	}
}

func TestDayIsKept(t *testing.T) {
	for _, kind := range []Kind{Level, Events, Share} {
		s := NewSeries(kind, 3)
		fill(s, monday+5, monday+30, func(h Hour) Record {
			r := Record{A: float32(h % 7), Marked: h%5 == 0, Cover: uint8(20 + h%40), Extra: []byte{1, byte(h), 3}}
			if kind == Share {
				r.B = r.A + 2
			}
			return r
		})
		copied := NewSeries(kind, 3)
		for d := monday.Day(); d <= monday.Day()+1; d++ {
			text, ok := s.AppendDay(nil, d)
			if !ok {
				t.Fatalf("day %d: nothing", d)
			}
			if err := ReadDay(text, d, kind, 3, copied.Put); err != nil {
				t.Fatal(err)
			}
		}
		if s.Len() != copied.Len() {
			t.Fatalf("kept %d of %d hours", copied.Len(), s.Len())
		}
		for i := range s.Len() {
			if diff := cmp.Diff(s.At(i), copied.At(i)); diff != "" {
				t.Error(diff)
			}
		}
		if _, ok := s.AppendDay(nil, monday.Day()+9); ok {
			t.Error("a day without hours was handed out")
		}
	}
}

func FuzzReadDay(f *testing.F) {
	s := NewSeries(Share, 2)
	fill(s, monday, monday+24, func(Hour) Record { return Record{A: 1, B: 2, Extra: []byte{1, 2}} })
	text, _ := s.AppendDay(nil, monday.Day())
	f.Add(text, int32(monday.Day()), uint8(Share))
	f.Add([]byte{1, 1, 2, 0, 60, 0, 0, 0, 0, 0, 0}, int32(0), uint8(Events))
	f.Fuzz(func(t *testing.T, text []byte, day int32, kind uint8) {
		k := Kind(kind % 3)
		s := NewSeries(k, 2)
		if err := ReadDay(text, Day(day), k, 2, s.Put); err != nil && s.Len() > 0 {
			t.Fatal("an error, and hours all the same")
		}
		for i := range s.Len() {
			if r := s.At(i); r.Hour.Day() != Day(day) || r.Cover > 60 || r.Cover == 0 || r.A != r.A {
				t.Fatalf("read %+v", r)
			}
		}
	})
}
