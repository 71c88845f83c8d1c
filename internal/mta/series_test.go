package mta_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestParseSeries(t *testing.T) {
	tests := []struct {
		name, text string
		want       mta.Series
		bad        bool
	}{
		{name: "no labels", text: "mta_x", want: mta.Series{Name: "mta_x"}},
		{name: "counter", text: `mta_x_total{a="b"}`, want: mta.Series{Name: "mta_x_total", Labels: []mta.Label{{Name: "a", Value: "b"}}, Counter: true}},
		{name: "escapes", text: `x{a="\"\\\n",b=""}`, want: mta.Series{Name: "x", Labels: []mta.Label{{Name: "a", Value: "\"\\\n"}, {Name: "b"}}}},
		{name: "nothing", bad: true}, {name: "labels alone", text: `{a="b"}`, bad: true}, {name: "no end", text: `x{a="b"`, bad: true},
		{name: "no quotes", text: `x{a=b}`, bad: true}, {name: "more", text: `x{a="b"}c`, bad: true}, {name: "digit first", text: "1x", bad: true},
		{name: "no comma", text: `x{a="b"c="d"}`, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mta.ParseSeries(tt.text)
			if (err != nil) != tt.bad {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// FuzzSeries: what Key writes is read as the same series.
func FuzzSeries(f *testing.F) {
	f.Add(`mta_x{a="b"}`)
	f.Add("x{ a = \"\\\"\\\\\\n\" , }")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := mta.ParseSeries(text)
		if err != nil {
			return
		}
		again, err := mta.ParseSeries(s.Key())
		if d := cmp.Diff(s, again); err != nil || d != "" {
			t.Fatalf("%v (-once +again):\n%s", err, d)
		}
	})
}
