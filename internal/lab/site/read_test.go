package site

import (
	"testing"
	"time"
)

func TestPeriods(t *testing.T) {
	for s, want := range map[string]time.Duration{"pt5m": 5 * time.Minute, "P1D": 24 * time.Hour, "p1dt2h3m4s": 26*time.Hour + 3*time.Minute + 4*time.Second,
		"pt0.5s": 500 * time.Millisecond, "": 0, "p": 0, "pt": 0, "5m": 0, "pt5": 0, "p5m": 0, "ptm": 0, "pt1tm": 0, "pt1e9h": 0, "pt9999999999h": 0} {
		got, ok := parsePeriod(s)
		if ok != (want != 0) || got != want && ok {
			t.Errorf("parsePeriod(%q) = %v, %v; want %v", s, got, ok, want)
		}
		if back, ok := parsePeriod(unquote(formatPeriod(want))); want != 0 && (!ok || back != want) {
			t.Errorf("%v comes back as %v", want, back)
		}
	}
}

func unquote(s string) string { return s[1 : len(s)-1] }

// FuzzFiles reads any text as each of the files: an error or a site, and what
// it gives keeps its own limits.
func FuzzFiles(f *testing.F) {
	s, _ := Settings{Binary: "/bin/true", Passwords: map[string]string{"a": "b"}}.withDefaults()
	for _, file := range s.files(&Site{Base: "/base"}) {
		f.Add([]byte(file.text))
	}
	f.Add([]byte("[SERVICE=\n[]\n=\n[POOL=]\njob_limit\n$( $Y\nINTERNAL_IP\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := &reader{site: &Site{}}
		for _, file := range configFiles() {
			r.file = file.name
			file.read(r, text)
		}
		r.finish()
		for _, v := range r.site.Services {
			if v.MaxProcs < 1 || v.MaxConns < 1 || v.MaxLifeTime <= 0 || v.MaxShutdown < 1 || v.Backlog < 1 || v.MinProcs > v.MaxProcs && len(r.errs) == 0 {
				t.Fatalf("service %+v", v)
			}
		}
		for _, c := range r.site.Channels {
			if !validChannel(c.Name) || c.MaxJobs < 1 {
				t.Fatalf("channel %+v", c)
			}
			for _, d := range append(c.Backoff, c.Notices...) {
				if d < 0 {
					t.Fatalf("channel %+v", c)
				}
			}
		}
		for _, err := range r.errs {
			_ = err.Error()
		}
	})
}
