package sim

import (
	"bytes"
	"encoding/csv"
	"errors"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// month is the beginning of a time with a change of the clocks in it.
var month = time.Date(2026, 10, 19, 0, 0, 0, 0, Berlin())

func TestSameSeedSameReadings(t *testing.T) {
	text := func(seed uint64) string {
		plan := Spread(seed, 1, month.Add(2*time.Hour), month.Add(14*time.Hour), Kinds())
		h := New(Config{Seed: seed, Rate: 1, Start: month, End: month.Add(15 * time.Hour), Step: time.Minute, Incidents: plan})
		var b bytes.Buffer
		if err := WriteCSV(&b, h); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if first, again := text(5), text(5); first != again {
		t.Error("two hosts of the same seed differ")
	}
	if text(5) == text(6) {
		t.Error("two hosts of different seeds are the same")
	}
}

// Through every kind of incident no message gets lost, no counter goes back,
// and the sums fit each other.
func TestConservation(t *testing.T) {
	for _, tc := range []struct {
		name     string
		rate     float64
		messages bool
	}{{"two an hour", 2.0 / 3600, false}, {"one a second", 1, false}, {"each by itself", 0.3, true}, {"500 a second", 500, false}} {
		t.Run(tc.name, func(t *testing.T) {
			end := month.Add(25 * time.Hour)
			plan := Spread(3, tc.rate, month.Add(time.Hour), end, Kinds())
			h := New(Config{Seed: 3, Rate: tc.rate, Start: month, End: end, Step: 30 * time.Second, Incidents: plan, Messages: tc.messages})
			last := make(map[*mta.Series]float64)
			for r := range h.Readings() {
				got := h.Totals()
				if got.Arrived != got.Sent+got.Bounced+got.Waiting {
					t.Fatalf("%s: %+v: what arrived is not what was sent, bounced or waits", r.Time, got)
				}
				for _, s := range r.Samples {
					if before, ok := last[s.Series]; s.Series.Counter && ok && s.Value < before {
						t.Fatalf("%s: %s went back from %g to %g", r.Time, s.Series.Key(), before, s.Value)
					}
					if s.Value < 0 || math.IsNaN(s.Value) {
						t.Fatalf("%s: %s is %g", r.Time, s.Series.Key(), s.Value)
					}
					last[s.Series] = s.Value
				}
				checkQueues(t, h)
			}
			if h.Totals().Sent == 0 {
				t.Error("nothing was sent")
			}
		})
	}
}

// checkQueues counts the queues again.
func checkQueues(t *testing.T, h *Host) {
	t.Helper()
	var active, deferred, incoming, held int
	count := func(n *int, c *cohort) {
		*n += c.n
		if c.n <= 0 || h.cfg.Messages && len(c.msgs) != c.n {
			t.Fatalf("%s: a cohort of %d with %d messages", h.at, c.n, len(c.msgs))
		}
	}
	for _, x := range h.dests {
		for i := range x.active {
			count(&active, &x.active[i])
		}
		for i := range x.waiting {
			count(&deferred, &x.waiting[i])
		}
	}
	for i := range h.incoming {
		count(&incoming, &h.incoming[i].c)
	}
	for i := range h.held {
		count(&held, &h.held[i].c)
	}
	got := []int{h.activeN, h.deferredN, h.incomingN, h.heldN}
	if want := []int{active, deferred, incoming, held}; !slices.Equal(got, want) {
		t.Fatalf("%s: active, deferred, incoming, hold: counted %v, there are %v", h.at, got, want)
	}
}

// A destination's attempts are those of the causes; pointers stay the same.
func TestSamplesFitEachOther(t *testing.T) {
	h := New(Config{Seed: 1, Rate: 5, Start: month, End: month.Add(6 * time.Hour), Buckets: true})
	byKey := make(map[string]*mta.Series)
	for r := range h.Readings() {
		var attempts, destinations float64
		keys := make(map[string]bool)
		for _, s := range r.Samples {
			k := s.Series.Key()
			if p := byKey[k]; p != nil && p != s.Series {
				t.Fatalf("%s: two pointers for %s", r.Time, k)
			}
			byKey[k] = s.Series
			if keys[k] {
				t.Fatalf("%s: %s twice", r.Time, k)
			}
			keys[k] = true
			if s.Series.Counter != (strings.Contains(s.Series.Name, "_total") || strings.Contains(s.Series.Name, "_delay_seconds_")) {
				t.Fatalf("%s: counter %v", k, s.Series.Counter)
			}
			switch s.Series.Name {
			case "mta_delivery_attempts_total":
				attempts += s.Value
			case "mta_destination_attempts_total":
				destinations += s.Value
			}
		}
		// A destination that lost its series keeps its count.
		if destinations > attempts || destinations < 0.8*attempts {
			t.Fatalf("%s: %g attempts by cause, %g by destination", r.Time, attempts, destinations)
		}
		if !slices.IsSortedFunc(r.Sources, func(a, b mta.SourceCount) int { return b.Count - a.Count }) {
			t.Fatalf("%s: sources are not ordered: %v", r.Time, r.Sources)
		}
	}
}

// perHour runs a host and gives the messages received by local hour of each day.
func perHour(h *Host) map[string]float64 {
	got := make(map[string]float64)
	var last float64
	for r := range h.Readings() {
		for _, s := range r.Samples {
			if s.Series.Name == "mta_received_messages_total" {
				got[r.Time.In(h.cfg.Location).Format("02 15")] += s.Value - last
				last = s.Value
			}
		}
	}
	return got
}

// The traffic follows the people, whose clocks change on 25 October 2026.
func TestDaylightSaving(t *testing.T) {
	start := time.Date(2026, 10, 22, 0, 0, 0, 0, Berlin())
	if _, offset := start.Zone(); offset != 2*3600 {
		t.Skip("no zones on this machine")
	}
	got := perHour(New(Config{Seed: 2, Rate: 4, Start: start, End: start.AddDate(0, 0, 6), Step: 2 * time.Minute}))
	for _, day := range []string{"22", "23", "26", "27"} {
		if early, late := got[day+" 05"], got[day+" 09"]; late < 3*early {
			t.Errorf("October %s: %g messages at 5, %g at 9 local time: the morning is not where the people are", day, early, late)
		}
	}
	if got["25 02"] < 1.3*got["25 03"] {
		t.Errorf("%g messages in the hour that came twice, %g in the next", got["25 02"], got["25 03"])
	}
}

func TestWeekAndHoliday(t *testing.T) {
	holiday := Incident{Holiday, month.AddDate(0, 0, 2), month.AddDate(0, 0, 3)}
	got := perHour(New(Config{Seed: 2, Rate: 4, Start: month, End: month.AddDate(0, 0, 6), Step: 2 * time.Minute, Incidents: []Incident{holiday}}))
	work, free, weekend := got["20 11"], got["21 11"], got["24 11"]
	if free > 0.6*work || weekend > 0.7*work {
		t.Errorf("%g messages at 11 on a Tuesday, %g on a holiday, %g on a Saturday", work, free, weekend)
	}
}

func TestGapAndClockStep(t *testing.T) {
	at := func(minutes int) time.Time { return month.Add(time.Duration(minutes) * time.Minute) }
	h := New(Config{Seed: 1, Start: month, End: at(120), Incidents: []Incident{{Gap, at(30), at(50)}, {ClockStep, at(80), at(90)}}})
	var times []time.Time
	for r := range h.Readings() {
		times = append(times, r.Time)
	}
	steps := make(map[time.Duration]int)
	for i := range times[1:] {
		steps[times[i+1].Sub(times[i])]++
	}
	want := map[time.Duration]int{20*time.Minute + 20*time.Second: 1, 5*time.Minute + 10*time.Second: 1, 10*time.Second - 5*time.Minute: 1}
	delete(steps, 10*time.Second)
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error("unusual distances of two readings (-want +got):\n" + diff)
	}
}

// Every kind does something that can be counted, and ends.
func TestEveryKindTouches(t *testing.T) {
	for _, k := range Kinds() {
		if k == Holiday || k == DST || k == ClockStep || k == Gap || k == ControllerFlaps || k == LevelShift || k == ControllerDead {
			continue // of these there is nothing to count, or it is counted elsewhere
		}
		t.Run(string(k), func(t *testing.T) {
			begin := month.Add(10 * time.Hour)
			end := begin.Add(min(k.Length(1), 2*time.Hour))
			h := New(Config{Seed: 4, Rate: 1, Start: month.Add(9 * time.Hour), End: end.Add(time.Hour), Incidents: []Incident{{k, begin, end}}})
			for range h.Readings() {
				if h.at.Before(begin) && h.Touched()[0] != 0 {
					t.Fatalf("touched %d before it began", h.Touched()[0])
				}
			}
			if k != DiskFills && h.Touched()[0] < 10 {
				t.Errorf("touched %d", h.Touched()[0])
			}
		})
	}
}

func TestPlan(t *testing.T) {
	from := time.Date(2026, 10, 23, 6, 0, 0, 0, Berlin())
	for _, rate := range []float64{2.0 / 3600, 1, 500} {
		list, end := Plan(1, rate, from, Kinds())
		if len(list) != len(Kinds()) {
			t.Errorf("rate %g: %d of %d kinds", rate, len(list), len(Kinds()))
		}
		for i, inc := range list {
			if !inc.End.After(inc.Begin) || inc.End.After(end) || inc.Begin.Before(from) {
				t.Errorf("rate %g: %s from %s to %s, all from %s to %s", rate, inc.Kind, inc.Begin, inc.End, from, end)
			}
			if i > 0 && inc.Begin.Before(list[i-1].End.Add(time.Hour)) {
				t.Errorf("rate %g: %s begins before %s is over", rate, inc.Kind, list[i-1].Kind)
			}
		}
	}
}

func TestKindsHaveExpectations(t *testing.T) {
	known := mta.FindingCodes()
	for _, k := range Kinds() {
		want := k.Expect()
		if want.Harmless == (len(want.Codes) > 0) {
			t.Errorf("%s: harmless %v with codes %v", k, want.Harmless, want.Codes)
		}
		for _, c := range slices.Concat(want.Codes, want.Also) {
			if !slices.Contains(known, c) {
				t.Errorf("%s: no finding has the code %s", k, c)
			}
		}
	}
	if _, err := ParseKinds("dns-dead,nonsense"); err == nil {
		t.Error("a kind that does not exist was read")
	}
}

// The CSV holds what the readings held.
func TestCSV(t *testing.T) {
	cfg := Config{Seed: 1, Rate: 5, Start: month, End: month.Add(time.Hour)}
	var b bytes.Buffer
	if err := WriteCSV(&b, New(cfg)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"timestamp", "series", "value"}, rows[0]); diff != "" {
		t.Error(diff)
	}
	rows = rows[1:]
	for r := range New(cfg).Readings() {
		want := len(r.Samples) + len(r.Sources)
		for i, row := range rows[:want] {
			unix, err1 := strconv.ParseInt(row[0], 10, 64)
			v, err2 := strconv.ParseFloat(row[2], 64)
			if errors.Join(err1, err2) != nil || unix != r.Time.Unix() {
				t.Fatalf("%s: row %q", r.Time, row)
			}
			var key string
			var value float64
			if i < len(r.Samples) {
				key, value = r.Samples[i].Series.Key(), r.Samples[i].Value
			} else {
				s := r.Sources[i-len(r.Samples)]
				key, value = `mtawatch_source_connections{ip="`+s.Address.String()+`"}`, float64(s.Count)
			}
			if row[1] != key || v != value {
				t.Fatalf("row %q, want %s %g", row, key, value)
			}
		}
		rows = rows[want:]
	}
	if len(rows) != 0 {
		t.Errorf("%d rows too many", len(rows))
	}
}

func TestHistory(t *testing.T) {
	end := month.Add(12 * time.Hour)
	n, received := 0, 0.0
	var last time.Time
	for r := range History(HistoryConfig{End: end, For: 3 * time.Hour, Step: 5 * time.Second, Instance: "postfix-out", Port: 2525, RatePerMinute: 30,
		Destinations: []string{"a.example.org", "b.example.org"}}) {
		n, last = n+1, r.Time
		for _, s := range r.Samples {
			for _, l := range s.Series.Labels {
				if l.Name == "instance" && l.Value != "postfix-out" || l.Name == "port" && l.Value != "2525" ||
					l.Name == "destination" && !slices.Contains([]string{"a.example.org", "b.example.org", "other"}, l.Value) {
					t.Fatalf("%s", s.Series.Key())
				}
			}
			switch {
			case s.Series.Name == "mta_received_messages_total":
				received = s.Value
			case strings.HasPrefix(s.Series.Key(), `mta_queue_messages{instance="postfix-out",queue="deferred"`) && s.Value != 0:
				t.Fatalf("%s: %g deferred", r.Time, s.Value)
			}
		}
	}
	if !last.Equal(end) || n != 3*720+1 {
		t.Errorf("%d readings, the last at %s, want %d up to %s", n, last, 3*720+1, end)
	}
	if received < 4000 || received > 7000 {
		t.Errorf("%g messages in three hours at 30 a minute", received)
	}
}

// All addresses are of the documentation ranges.
func TestAddresses(t *testing.T) {
	documentation := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for i := range 5000 {
		for _, a := range []netip.Addr{knownAddr(i % (numKnown + 2)), otherAddr(i), badAddr(i % 700)} {
			if !slices.ContainsFunc(documentation, func(p netip.Prefix) bool { return p.Contains(a) }) {
				t.Fatalf("address %s of number %d", a, i)
			}
		}
	}
}

func TestDice(t *testing.T) {
	d := newDice(1)
	for _, tc := range []struct {
		name     string
		draw     func() float64
		mean, sd float64
	}{
		{"poisson small", func() float64 { return float64(d.poisson(0.3)) }, 0.3, math.Sqrt(0.3)},
		{"poisson middle", func() float64 { return float64(d.poisson(12)) }, 12, math.Sqrt(12)},
		{"poisson large", func() float64 { return float64(d.poisson(900)) }, 900, 30},
		{"binomial few", func() float64 { return float64(d.binomial(9, 0.4)) }, 3.6, math.Sqrt(9 * 0.24)},
		{"binomial rare", func() float64 { return float64(d.binomial(2000, 0.002)) }, 4, 2},
		{"binomial next to never", func() float64 { return float64(d.binomial(1000, 1e-9)) }, 0, 1e-3},
		{"binomial many", func() float64 { return float64(d.binomial(2000, 0.7)) }, 1400, math.Sqrt(420)},
		{"lognormal", func() float64 { return d.lognormal(0.5) }, 1, math.Sqrt(math.Exp(0.25) - 1)},
	} {
		const n = 20_000
		var sum, squares float64
		for range n {
			v := tc.draw()
			sum, squares = sum+v, squares+v*v
		}
		mean := sum / n
		sd := math.Sqrt(squares/n - mean*mean)
		if math.Abs(mean-tc.mean) > 5*tc.sd/math.Sqrt(n) || math.Abs(sd-tc.sd) > 0.1*tc.sd && tc.mean > 0 {
			t.Errorf("%s: mean %.3f and deviation %.3f, want %.3f and %.3f", tc.name, mean, sd, tc.mean, tc.sd)
		}
	}
}
