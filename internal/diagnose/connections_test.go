package diagnose

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// scene is one thing that happens to a host and what must be told of it.
type scene struct {
	name   string
	young  bool // the host has one hour of history
	facts  *live
	lasts  time.Duration // 0: five minutes
	change func(w *world)
	want   []string // "code severity", in alphabetical order
	titles []string // words that stand in the first finding's title, cause or evidence
}

func play(t *testing.T, scenes []scene) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			w := settled(t, s.young)
			if s.facts != nil {
				w.c.Facts = s.facts
			}
			if s.lasts == 0 {
				s.lasts = 5 * time.Minute
			}
			w.run(s.lasts, s.change)
			var got []string
			for _, code := range slices.Sorted(maps.Keys(w.told)) {
				got = append(got, string(code)+" "+w.told[code].Severity.String())
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			for _, k := range w.told {
				checkFinding(t, w, k)
			}
			if len(s.want) == 0 {
				return
			}
			code, _, _ := strings.Cut(s.want[0], " ")
			text := fullText(w.told[mta.FindingCode(code)])
			for _, word := range s.titles {
				if !strings.Contains(text, word) {
					t.Errorf("%q is missing in:\n%s", word, text)
				}
			}
		})
	}
}

func fullText(k Candidate) string {
	f := k.Finding
	if k.Explain != nil {
		k.Explain(&f)
	}
	text := f.Subject + "\n" + f.Title + "\n" + f.Cause
	for _, e := range f.Evidence {
		text += "\n" + e.Text + "\n" + strings.Join(e.Lines, "\n")
	}
	return text + "\n" + strings.Join(f.RuledOut, "\n") + "\n" + strings.Join(f.Advice, "\n") + "\n" + strings.Join(f.Avoid, "\n")
}

// checkFinding holds what must be true of every finding.
func checkFinding(t *testing.T, w *world, k Candidate) {
	t.Helper()
	f := k.Finding
	if k.Explain != nil {
		k.Explain(&f)
	}
	switch {
	case f.Title == "" || f.Cause == "" || len(f.Evidence) == 0 || len(f.Advice) == 0:
		t.Errorf("%s lacks title, cause, evidence or advice: %+v", f.Code, f)
	case !strings.HasSuffix(f.Cause, "."):
		t.Errorf("%s: the cause is no sentence: %q", f.Code, f.Cause)
	case f.Since.IsZero() || f.Since.After(w.now):
		t.Errorf("%s since %s, judged at %s", f.Code, f.Since, w.now)
	case f.Confidence <= 0 || f.Confidence > 1:
		t.Errorf("%s: confidence %g", f.Code, f.Confidence)
	case k.Family == "" || k.Rank == 0:
		t.Errorf("%s has no family or rank", f.Code)
	case strings.Contains(fullText(k), "NaN"):
		t.Errorf("%s speaks of NaN: %s", f.Code, fullText(k))
	case slices.Contains(f.DependsOn, f.Code):
		t.Errorf("%s depends on itself", f.Code)
	}
}

func flooded(rate, level, top, sources float64) func(w *world) {
	return func(w *world) {
		w.v.opened, w.v.current, w.v.top, w.v.sources = rate, level, top, sources
	}
}

func TestFloods(t *testing.T) {
	play(t, []scene{
		{name: "an ordinary day", change: func(*world) {}, lasts: 20 * time.Minute},
		{name: "an ordinary first hour", young: true, change: func(*world) {}, lasts: 20 * time.Minute},
		{name: "one address without harm", change: flooded(900, 90, 80, 10), want: []string{"flood-one-source info"},
			titles: []string{"one address", "normal at this hour"}},
		{name: "one address is named, and the accept queue fills",
			facts:  &live{limits: map[string]float64{"process_limit": 100}},
			change: func(w *world) { addressed(w, flooded(900, 90, 80, 10)); w.v.acceptQueue = 60 },
			want:   []string{"flood-one-source warning"}, titles: []string{"198.51.100.7", "60 connections to port 25 not yet accepted"}},
		{name: "one source whose connections have ended: another is connected now",
			change: func(w *world) {
				flooded(900, 90, 80, 10)(w)
				w.v.acceptQueue = 60
				w.c.SourcesKnown, w.c.Sources = true, []mta.SourceCount{source("192.0.2.1", 2)}
			},
			want: []string{"flood-one-source warning"}, titles: []string{"one address floods port 25"}},
		{name: "one address and mail is hindered", change: func(w *world) { flooded(900, 90, 80, 10)(w); w.v.arrivals = 3 },
			want: []string{"flood-one-source critical"}, titles: []string{"accepted in the last minute"}},
		{name: "three hundred addresses", change: flooded(1500, 300, 3, 290), want: []string{"flood-many-sources info"}, titles: []string{"flood port 25"}},
		{name: "three hundred addresses and refusals", change: func(w *world) { flooded(1500, 300, 3, 290)(w); w.v.rejects = 1200 },
			want: []string{"flood-many-sources warning"}},
		{name: "half as many again", change: flooded(120, 18, 3, 14)},
		{name: "many more, but from whom everybody comes", change: flooded(900, 90, 30, 20)},
		{name: "young: a busy minute is no flood", young: true, change: flooded(300, 60, 40, 20)},
		{name: "young: hundreds from one address", young: true, change: flooded(1500, 400, 380, 20), want: []string{"flood-one-source info"}},
		{name: "young: the accept queue is full", young: true, change: func(w *world) { flooded(1500, 250, 240, 10)(w); w.v.acceptQueue = 101 },
			want: []string{"accept-queue-overflow critical", "flood-one-source critical"}},
		{name: "half-open connections are no flood", change: func(w *world) { w.v.syn = 95; w.v.sources = 100; w.v.cookies = 200 },
			want: []string{"syn-backlog warning"}, titles: []string{"95 half-open", "SYN cookies", "the accept queue has room"}},
		{name: "handshakes of a thousand clients a second", change: func(w *world) { w.v.syn, w.v.opened = 95, 60000 }},
		{name: "each of the usual addresses has tenfold", change: flooded(900, 90, 8, 12)},
		{name: "some half-open connections", change: func(w *world) { w.v.syn = 30 }},
	})
}

// named gives a flood its address.
func addressed(w *world, change func(*world)) {
	change(w)
	w.c.SourcesKnown, w.c.Sources = true, []mta.SourceCount{source("198.51.100.7", 80), source("192.0.2.1", 2)}
}

func TestCloseWait(t *testing.T) {
	grow := func(w *world) { w.v.closeWait = min(60, float64(w.second)/5); w.v.current = 12 + w.v.closeWait }
	play(t, []scene{
		{name: "a leak", change: grow, want: []string{"close-wait-leak warning"}, titles: []string{"in CLOSE_WAIT", "mail still comes in", "kill PID"}},
		{name: "at once, by stopped servers", lasts: 40 * time.Second, facts: &live{procs: []mta.RoleProcess{process(11, mta.RoleSMTPServer, "smtpd", "T", time.Minute)}},
			change: func(w *world) { w.v.closeWait, w.v.current = 40, 52 }, want: []string{"close-wait-leak warning"}, titles: []string{"smtpd 11", "kill -CONT 11"}},
		{name: "young: a leak", young: true, change: grow, want: []string{"close-wait-leak warning"}},
		{name: "few of very many", change: func(w *world) { w.v.closeWait, w.v.current = float64(min(30, w.second/5)), 3000 }},
		{name: "some come and go", change: func(w *world) { w.v.closeWait = float64(w.second / 10 % 3 * 9) }},
		{name: "young: few of many", young: true, change: func(w *world) { w.v.closeWait, w.v.current = 22, 200 }},
		{name: "it hinders mail", change: func(w *world) { grow(w); w.v.arrivals = 2 }, want: []string{"close-wait-leak critical"}},
	})
}

func TestAcceptQueue(t *testing.T) {
	play(t, []scene{
		{name: "full", change: func(w *world) { w.v.acceptQueue, w.v.overflows, w.v.servers = 101, 300, 13 },
			want: []string{"accept-queue-overflow critical"}, titles: []string{"101 of at most 100", "refused in the last minute", "a longer backlog alone"}},
		{name: "nearly full", change: func(w *world) { w.v.acceptQueue = 85 }, want: []string{"accept-queue-overflow warning"},
			titles: []string{"the kernel has refused no connection"}},
		{name: "a few wait for a moment", change: func(w *world) {
			if w.v.acceptQueue = 0; w.second%60 == 0 {
				w.v.acceptQueue = 12
			}
		}},
		{name: "full for one sample", change: func(w *world) {
			if w.v.acceptQueue = 0; w.second == 60 {
				w.v.acceptQueue = 101
			}
		}},
		{name: "overflows are another program's", change: func(w *world) { w.v.overflows = 500 }},
		{name: "overflows where no accept queue is seen", change: func(w *world) { w.v.overflows, w.v.acceptQueue, w.v.acceptLimit = 500, unknown, unknown },
			want: []string{"accept-queue-overflow warning"}, titles: []string{"which one is not known"}},
	})
}

func TestProcessLimit(t *testing.T) {
	limits := map[string]float64{"process_limit": 30}
	warning := func(text string) []Warning {
		return []Warning{{Time: onset.Add(30 * time.Second), Program: "master", Severity: mta.SeverityWarning, Text: text}}
	}
	const said = `service "smtp" (25) has reached its process limit "30": new clients may experience noticeable delays`
	loris := func(w *world) {
		w.v.servers, w.v.acceptQueue, w.v.current, w.v.opened, w.v.arrivals = 30, 40, 70, 10, 8
	}
	play(t, []scene{
		{name: "slow-loris, from series alone", change: loris, want: []string{"process-limit-reached critical"},
			titles: []string{"slow-loris", "30 SMTP server processes", "40 connections not accepted yet"}},
		{name: "slow-loris, with the limit known", facts: &live{limits: limits}, change: loris, want: []string{"process-limit-reached critical"},
			titles: []string{"30 of at most 30"}},
		{name: "the mail server says so", facts: &live{limits: limits, warnings: warning(said)}, change: func(w *world) {
			if w.second >= 30 {
				w.v.servers = 30
			}
		}, want: []string{"process-limit-reached warning"}, titles: []string{"has reached its process limit"}},
		{name: "at the limit and nobody waits", facts: &live{limits: limits}, change: func(w *world) { w.v.servers = 30 }, want: []string{"process-limit-reached info"}},
		{name: "an old warning", facts: &live{limits: limits, warnings: []Warning{{Time: onset.Add(-20 * time.Minute), Program: "master", Text: said}}}, change: func(*world) {}},
		{name: "a service inside", facts: &live{warnings: warning(`service "cleanup" (public/cleanup) has reached its process limit "100"`)},
			change: func(*world) {}, want: []string{"process-limit-reached warning"}, titles: []string{"the service cleanup"}},
		{name: "busy, below the limit", facts: &live{limits: map[string]float64{"process_limit": 100}}, change: func(w *world) { w.v.servers = 30 }},
		{name: "a fixed pool and a short queue", change: func(w *world) { w.v.acceptQueue = 4 }},
	})
}

func TestServerAge(t *testing.T) {
	old := func(w *world) { w.v.serverAge = 30000 + float64(w.second) }
	play(t, []scene{
		{name: "far beyond the usual", change: old, want: []string{"server-process-overage info"}, titles: []string{"runs for 8 h"}},
		{name: "postscreen is long-lived", change: old,
			facts: &live{procs: []mta.RoleProcess{process(7, mta.RoleSMTPServer, "postscreen", "S", 30000*time.Second), process(8, mta.RoleSMTPServer, "smtpd", "S", time.Minute)}}},
		{name: "several, named", change: old, want: []string{"server-process-overage warning"}, titles: []string{"smtpd 8, smtpd 9, smtpd 10"},
			facts: &live{procs: []mta.RoleProcess{process(8, mta.RoleSMTPServer, "smtpd", "S", 30000*time.Second), process(9, mta.RoleSMTPServer, "smtpd", "S", 29000*time.Second),
				process(10, mta.RoleSMTPServer, "smtpd", "S", 28000*time.Second)}}},
		{name: "beyond its lifetime", young: true, facts: &live{limits: map[string]float64{"server_lifetime": 86400}},
			change: func(w *world) { w.v.serverAge = 120000 }, want: []string{"server-process-overage info"}, titles: []string{"should be replaced after 24 h"}},
		{name: "draining after its lifetime", young: true, facts: &live{limits: map[string]float64{"server_lifetime": 86400}}, change: func(w *world) { w.v.serverAge = 88000 }},
		{name: "young: not known what is old", young: true, change: old},
		{name: "an hour", change: func(w *world) { w.v.serverAge = 3600 }},
	})
}
