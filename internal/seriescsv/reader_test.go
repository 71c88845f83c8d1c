package seriescsv_test

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/seriescsv"
)

// moment is a Reading as a test writes it.
type moment struct {
	At      string
	Samples []string
	Sources []mta.SourceCount
	Known   bool
}

// read feeds text in chunks of a size, 0 for whole.
func read(t testing.TB, cfg seriescsv.Config, text string, size int) ([]moment, seriescsv.Counts, error) {
	t.Helper()
	r := seriescsv.New(cfg)
	var got []moment
	yield := func(x mta.Reading) error {
		m := moment{At: strconv.FormatFloat(float64(x.Time.UnixNano())/1e9, 'f', -1, 64), Known: x.SourcesKnown}
		for _, s := range x.Samples {
			kind := ""
			if s.Series.Counter {
				kind = "+"
			}
			m.Samples = append(m.Samples, kind+s.Series.Key()+"="+strconv.FormatFloat(s.Value, 'g', -1, 64))
		}
		m.Sources = append(m.Sources, x.Sources...)
		got = append(got, m)
		return nil
	}
	if size <= 0 {
		size = max(len(text), 1)
	}
	for len(text) > 0 {
		n := min(size, len(text))
		if err := r.Feed([]byte(text[:n]), yield); err != nil {
			return got, r.Counts(), err
		}
		text = text[n:]
	}
	err := r.End(yield)
	return got, r.Counts(), err
}

const small = `timestamp,series,value
1000,"mta_queue_messages{instance=""a"",queue=""deferred""}",17
1000,"mta_delivery_attempts_total{instance=""a"",status=""sent"",cause=""""}",5
1010,"mta_queue_messages{instance=""a"",queue=""deferred""}",18.5
1010,"mta_delivery_attempts_total{instance=""a"",status=""sent"",cause=""""}",6
`

var readTests = []struct {
	name string
	text string
	want []moment
	bad  []seriescsv.BadRow
	more seriescsv.Counts // what else is to be counted
}{
	{name: "rows of one moment are one reading", text: small, want: []moment{
		{At: "1000", Samples: []string{`mta_queue_messages{instance="a",queue="deferred"}=17`, `+mta_delivery_attempts_total{instance="a",status="sent",cause=""}=5`}},
		{At: "1010", Samples: []string{`mta_queue_messages{instance="a",queue="deferred"}=18.5`, `+mta_delivery_attempts_total{instance="a",status="sent",cause=""}=6`}},
	}},
	{name: "no header, CRLF, blank lines, mark of UTF-8, no line end at last", text: "\xef\xbb\xbf5,cpu,1\r\n\r\n  \n6,cpu,2\r\n7,cpu,3", want: []moment{
		{At: "5", Samples: []string{"cpu=1"}}, {At: "6", Samples: []string{"cpu=2"}}, {At: "7", Samples: []string{"cpu=3"}}}},
	{name: "fractions, exponents, signs", text: "1.25,cpu,-0.5\n1.5,cpu,1e3\n1.6e1,cpu,+2\n17.,cpu,.5\n18,cpu,123456789012345678\n", want: []moment{
		{At: "1.25", Samples: []string{"cpu=-0.5"}}, {At: "1.5", Samples: []string{"cpu=1000"}}, {At: "16", Samples: []string{"cpu=2"}},
		{At: "17", Samples: []string{"cpu=0.5"}}, {At: "18", Samples: []string{"cpu=1.2345678901234568e+17"}}}},
	{name: "not a number is absent", text: "1,a,NaN\n1,b,2\n2,a,+Inf\n2,b,-inf\n3,a,1e999\n", want: []moment{{At: "1", Samples: []string{"b=2"}}}, more: seriescsv.Counts{Absent: 4}},
	{name: "the last of doubled rows holds", text: "1,a,1\n1,a,2\n", want: []moment{{At: "1", Samples: []string{"a=2"}}}, more: seriescsv.Counts{Duplicates: 1}},
	{name: "bad rows are told with their line", text: "1,a,1\nx,a,1\n2,a,x\n2,a\n2,,1\n2,a,1,1\n1700000000000,a,1\n-1,a,1\n3,a,1\n",
		want: []moment{{At: "1", Samples: []string{"a=1"}}, {At: "3", Samples: []string{"a=1"}}},
		bad: []seriescsv.BadRow{{Line: 2, Why: "the timestamp is no number of seconds since 1970"}, {Line: 3, Why: `the value "x" is no number`},
			{Line: 4, Why: "not three columns: timestamp,series,value"}, {Line: 5, Why: "the series has no name"}, {Line: 6, Why: "not three columns: timestamp,series,value"}},
		more: seriescsv.Counts{Bad: 7}},
	{name: "labels", text: `1,"mta_x{ a = ""b\""c\\d\ne"" , b="""", }",1` + "\n" + `1,"mta_x{a=b}",1` + "\n" + `1,"mta_x{a=""b""",1` + "\n" + `1,"mta_x{a=""b""}y",1` + "\n",
		want: []moment{{At: "1", Samples: []string{`mta_x{a="b\"c\\d\ne",b=""}=1`}}},
		bad: []seriescsv.BadRow{{Line: 2, Why: `the series "mta_x{a=b}" is not written as name{label="value",...}`},
			{Line: 3, Why: `the series "mta_x{a=\"b\"" is not written as name{label="value",...}`},
			{Line: 4, Why: `the series "mta_x{a=\"b\"}y" is not written as name{label="value",...}`}},
		more: seriescsv.Counts{Bad: 3}},
	{name: "other names stay as they are", text: `1,"machine {room} 2, left",1` + "\n" + `1,requests_count,2` + "\n",
		want: []moment{{At: "1", Samples: []string{"machine {room} 2, left=1", "requests_count=2"}}}},
	{name: "addresses are no series", text: `1,mta_inbound_sources,0` + "\n" + `2,"mtawatch_source_connections{ip=""192.0.2.1""}",3` + "\n" +
		`2,"mtawatch_source_connections{ip=""2001:db8::1"",port=""25""}",7` + "\n" + `2,"mtawatch_source_connections{ip=""192.0.2.3""}",0` + "\n" +
		`3,mta_inbound_sources,0` + "\n" + `3,"mtawatch_source_connections{ip=""x""}",7` + "\n",
		want: []moment{{At: "1", Samples: []string{"mta_inbound_sources=0"}},
			{At: "2", Known: true, Sources: []mta.SourceCount{{Address: netip.MustParseAddr("2001:db8::1"), Port: 25, Count: 7}, {Address: netip.MustParseAddr("192.0.2.1"), Count: 3}}},
			{At: "3", Known: true, Samples: []string{"mta_inbound_sources=0"}}},
		bad: []seriescsv.BadRow{{Line: 6, Why: `"x" is no IP address`}}, more: seriescsv.Counts{Bad: 1}},
	{name: "a line that is too long", text: "1,a,1\n" + strings.Repeat("x", 70<<10) + "\n2,a,1\n",
		want: []moment{{At: "1", Samples: []string{"a=1"}}, {At: "2", Samples: []string{"a=1"}}},
		bad:  []seriescsv.BadRow{{Line: 2, Why: "longer than 64 KiB"}}, more: seriescsv.Counts{Bad: 1}},
	{name: "nothing", text: ""},
}

func TestRead(t *testing.T) {
	for _, tt := range readTests {
		for _, size := range []int{0, 1, 7, 4096} {
			for _, sorted := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%v", tt.name, size, sorted), func(t *testing.T) {
					got, c, err := read(t, seriescsv.Config{Sort: sorted}, tt.text, size)
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); d != "" {
						t.Errorf("(-want +got):\n%s", d)
					}
					if d := cmp.Diff(tt.bad, c.FirstBad, cmpopts.EquateEmpty()); d != "" {
						t.Errorf("bad rows (-want +got):\n%s", d)
					}
					if c.Absent != tt.more.Absent || c.Bad != tt.more.Bad || c.Duplicates != tt.more.Duplicates {
						t.Errorf("counted %+v, want %+v", c, tt.more)
					}
				})
			}
		}
	}
}

// TestAnyOrder reads the same rows series after series, and shuffled: what
// comes out is what the sorted file gives.
func TestAnyOrder(t *testing.T) {
	var sorted, bySeries strings.Builder
	row := func(b *strings.Builder, at, s int) {
		fmt.Fprintf(b, "%d,\"mta_queue_messages{instance=\"\"a\"\",queue=\"\"q%d\"\"}\",%d\n", 1000+10*at, s, at*s)
	}
	for at := range 50 {
		for s := range 7 {
			if (at+s)%11 != 0 { // gaps
				row(&sorted, at, s)
			}
		}
	}
	for s := range 7 {
		for at := range 50 {
			at = at * 7 % 50
			if (at+s)%11 != 0 {
				row(&bySeries, at, s)
			}
		}
	}
	want, _, err := read(t, seriescsv.Config{}, sorted.String(), 100)
	if err != nil || len(want) != 50 {
		t.Fatal(len(want), err)
	}
	if _, _, err := read(t, seriescsv.Config{}, bySeries.String(), 100); !errors.Is(err, seriescsv.ErrOrder) {
		t.Errorf("got %v, want ErrOrder", err)
	}
	got, _, err := read(t, seriescsv.Config{Sort: true}, bySeries.String(), 100)
	if err != nil {
		t.Fatal(err)
	}
	same := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if d := cmp.Diff(want, got, same, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, _, err := read(t, seriescsv.Config{Sort: true, MaxRows: 100}, bySeries.String(), 100); !errors.Is(err, seriescsv.ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany", err)
	}
}

// TestSamePointer: a series keeps its pointer, however it is written.
func TestSamePointer(t *testing.T) {
	seen := map[*mta.Series]int{}
	r := seriescsv.New(seriescsv.Config{})
	yield := func(x mta.Reading) error {
		seen[x.Samples[0].Series]++
		return nil
	}
	text := "1,mta_x,1\n2,\"mta_x\",1\n3,\"mta_x{}\",1\n4,mta_x {},1\n"
	if err := errors.Join(r.Feed([]byte(text), yield), r.End(yield)); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || r.Counts().Series != 1 {
		t.Errorf("got %d pointers, %d series; want 1", len(seen), r.Counts().Series)
	}
}

// TestManyAddresses: addresses that are gone are forgotten.
func TestManyAddresses(t *testing.T) {
	r := seriescsv.New(seriescsv.Config{})
	n := 0
	yield := func(x mta.Reading) error { n += len(x.Sources); return nil }
	for at := range 14 {
		var b []byte
		for i := range 40_000 {
			b = fmt.Appendf(b, "%d,\"mtawatch_source_connections{ip=\"\"2001:db8::%x:%x\"\"}\",1\n", 1000+at, at, i)
		}
		if err := r.Feed(b, yield); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(yield); err != nil || n != 14*4096 {
		t.Errorf("got %d sources, %v", n, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, tt := range readTests {
		if len(tt.text) < 1000 {
			f.Add(tt.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole, wc, werr := read(t, seriescsv.Config{}, text, 0)
		parts, pc, perr := read(t, seriescsv.Config{}, text, 3)
		if d := cmp.Diff(whole, parts, cmpopts.EquateComparable(netip.Addr{})); d != "" || (werr == nil) != (perr == nil) {
			t.Fatalf("chunks matter: %v, %v (-whole +parts):\n%s", werr, perr, d)
		}
		if werr != nil {
			if !errors.Is(werr, seriescsv.ErrOrder) {
				t.Fatal(werr)
			}
			return
		}
		if d := cmp.Diff(wc, pc); d != "" {
			t.Fatalf("chunks matter to the counts:\n%s", d)
		}
		sorted, sc, err := read(t, seriescsv.Config{Sort: true}, text, 0)
		if err != nil || sc.Rows != wc.Rows || sc.Bad != wc.Bad || len(sorted) != len(whole) {
			t.Fatalf("sorting matters: %v %+v, want %+v", err, sc, wc)
		}
	})
}

// FuzzValue compares with strconv, through what a reading says.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"0", "-0", "1", "0.1", "123456.789", "999999999999999", "1234567890.12345", "1e5", "0x1p3", ".5", "5.", "-", "1_0", "--1", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, ",\"\n\r ") || strings.TrimSpace(s) != s || len(s) > 100 {
			return
		}
		r := seriescsv.New(seriescsv.Config{})
		var got []float64
		yield := func(x mta.Reading) error { got = append(got, x.Samples[0].Value); return nil }
		text := "1,a,0\n1,a,0\n2,a," + s + "\n" // the third row goes the quick way
		if err := errors.Join(r.Feed([]byte(text), yield), r.End(yield)); err != nil {
			t.Fatal(err)
		}
		want, err := strconv.ParseFloat(s, 64)
		there := (err == nil || errors.Is(err, strconv.ErrRange)) && !math.IsNaN(want) && !math.IsInf(want, 0)
		if there != (len(got) == 2) || there && math.Float64bits(got[1]) != math.Float64bits(want) {
			t.Fatalf("%q: got %v, want %v, %v", s, got, want, err)
		}
	})
}

// month writes ticks of 100 series.
func month(ticks int) []byte {
	var b []byte
	for at := range ticks {
		for s := range 100 {
			b = fmt.Appendf(b, "%d,\"mta_delivery_attempts_total{instance=\"\"postfix\"\",status=\"\"deferred\"\",cause=\"\"cause-%d\"\"}\",%d\n",
				1795420800+10*at, s, at*s)
		}
	}
	return b
}

func BenchmarkFeed(b *testing.B) {
	text := month(2000)
	rows := 0
	yield := func(x mta.Reading) error { rows += len(x.Samples); return nil }
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	begin := time.Now()
	for b.Loop() {
		r := seriescsv.New(seriescsv.Config{})
		for rest := text; len(rest) > 0; {
			n := min(1<<17, len(rest))
			if err := r.Feed(rest[:n], yield); err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := r.End(yield); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/time.Since(begin).Seconds()/1e6, "Mrows/s")
}
