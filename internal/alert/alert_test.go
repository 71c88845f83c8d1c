package alert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

var start = time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// span is a candidate that is there from one second to another, both included.
type span struct {
	from, to int
	c        diagnose.Candidate
}

// cand makes a candidate: "code[/subject]", need and clear in seconds.
func cand(name string, s mta.Severity, need, gone int, more ...func(*diagnose.Candidate)) diagnose.Candidate {
	code, subject, _ := strings.Cut(name, "/")
	c := diagnose.Candidate{Need: time.Duration(need) * time.Second, Clear: time.Duration(gone) * time.Second}
	c.Finding = mta.Finding{Code: mta.FindingCode(code), Subject: subject, Instance: "postfix", Severity: s}
	for _, f := range more {
		f(&c)
	}
	return c
}

func family(name string, r diagnose.Rank) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.Family, c.Rank = name, r }
}

func needs(codes ...mta.FindingCode) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.DependsOn = codes }
}

func explains(codes ...mta.FindingCode) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.Explains = append([]mta.FindingCode{}, codes...) }
}

func since(s int) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.Since = at(s) }
}

func instance(name string) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.Instance = name }
}

func reason(r mta.Cause) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.Reason = r }
}

// say gives a change in one line: "60 opened queue-growing warning since 0 [folded]".
func say(c Change) string {
	f := c.Finding
	s := fmt.Sprintf("%g %s %s", c.Time.Sub(start).Seconds(), c.Kind, f.Code)
	if f.Subject != "" {
		s += "/" + f.Subject
	}
	s += fmt.Sprintf(" %s since %g", f.Severity, f.Since.Sub(start).Seconds())
	if !f.End.IsZero() {
		s += fmt.Sprintf(" end %g", f.End.Sub(start).Seconds())
	}
	for _, o := range f.Folded {
		s += " +" + string(o.Code)
		if !o.End.IsZero() {
			s += fmt.Sprintf(" until %g", o.End.Sub(start).Seconds())
		}
	}
	if f.FoldedInto != "" {
		s += " into another"
	}
	return s
}

// play steps a book through the spans at the given seconds.
func play(b *Book, spans []span, seconds []int) []Change {
	var all []Change
	for _, s := range seconds {
		var now []diagnose.Candidate
		for _, p := range spans {
			if p.from <= s && s <= p.to {
				now = append(now, p.c)
			}
		}
		all = append(all, b.Step(at(s), now)...)
	}
	return all
}

func every(step, from, to int) []int {
	var list []int
	for s := from; s <= to; s += step {
		list = append(list, s)
	}
	return list
}

const (
	info     = mta.SeverityInfo
	warning  = mta.SeverityWarning
	critical = mta.SeverityCritical
)

func TestLife(t *testing.T) {
	tests := []struct {
		name  string
		steps []int
		spans []span
		want  []string
	}{
		{"at once and gone at once", every(10, 0, 60), []span{{20, 40, cand("mail-loop", critical, 0, 0)}},
			[]string{"20 opened mail-loop critical since 20", "50 resolved mail-loop critical since 20 end 50"}},
		{"need and clear", every(10, 0, 300), []span{{20, 100, cand("queue-growing", warning, 60, 90)}},
			[]string{"80 opened queue-growing warning since 20", "200 resolved queue-growing warning since 20 end 110"}},
		{"too short", every(10, 0, 300), []span{{20, 70, cand("queue-growing", warning, 60, 0)}}, nil},
		{"a blip does not restart the clock", every(10, 0, 110), []span{
			{0, 20, cand("queue-growing", warning, 60, 300)}, {60, 200, cand("queue-growing", warning, 60, 300)}},
			[]string{"60 opened queue-growing warning since 0"}},
		{"a longer absence does", every(10, 0, 130), []span{
			{0, 20, cand("queue-growing", warning, 60, 300)}, {70, 200, cand("queue-growing", warning, 60, 300)}},
			[]string{"130 opened queue-growing warning since 70"}},
		{"away for less than clear", every(10, 0, 400), []span{
			{0, 20, cand("queue-growing", warning, 0, 60)}, {80, 100, cand("queue-growing", warning, 0, 60)}},
			[]string{"0 opened queue-growing warning since 0", "170 resolved queue-growing warning since 0 end 110"}},
		{"the change began earlier", every(10, 0, 60), []span{{30, 90, cand("mail-stopped", critical, 10, 10, since(-120))}},
			[]string{"40 opened mail-stopped critical since -120"}},
		{"never in the future", every(10, 0, 60), []span{{30, 90, cand("mail-stopped", critical, 10, 10, since(500))}},
			[]string{"40 opened mail-stopped critical since 30"}},
		{"each subject by itself", every(10, 0, 30), []span{
			{0, 90, cand("destination-refusing/a.example", warning, 0, 0)}, {10, 90, cand("destination-refusing/b.example", warning, 10, 0)}},
			[]string{"0 opened destination-refusing/a.example warning since 0", "20 opened destination-refusing/b.example warning since 10"}},
		{"steps of a minute", every(60, 0, 900), []span{{60, 300, cand("queue-growing", warning, 90, 150)}},
			[]string{"180 opened queue-growing warning since 60", "540 resolved queue-growing warning since 60 end 360"}},
		{"an absence of one step of a minute is no blip", every(60, 0, 360), []span{
			{0, 60, cand("queue-growing", warning, 120, 0)}, {180, 900, cand("queue-growing", warning, 120, 0)}},
			[]string{"300 opened queue-growing warning since 180"}},
		{"steps of five minutes", every(300, 0, 3000), []span{{300, 1500, cand("queue-growing", warning, 600, 60)}},
			[]string{"900 opened queue-growing warning since 300", "2100 resolved queue-growing warning since 300 end 1800"}},
		{"hourly values", every(3600, 0, 7*3600), []span{{3600, 9 * 3600, cand("queue-growing", warning, 1200, 60)}},
			[]string{"7200 opened queue-growing warning since 3600"}},
		{"a forward jump opens nothing", []int{0, 10, 20, 7220, 7230, 7240, 7250, 7260}, []span{{0, 9000, cand("queue-growing", warning, 60, 60)}},
			[]string{"7260 opened queue-growing warning since 0"}},
		{"and resolves nothing", []int{0, 10, 20, 7220, 7230, 7280, 7290}, []span{{0, 10, cand("queue-growing", warning, 0, 70)}},
			[]string{"0 opened queue-growing warning since 0", "7290 resolved queue-growing warning since 0 end 20"}},
		{"a step back measures nothing", []int{0, 10, -3600, -3590, -3580, -3570}, []span{{-4000, 90, cand("queue-growing", warning, 40, 60)}},
			[]string{"-3570 opened queue-growing warning since -3570"}},
		{"severity rises at once and falls slowly", every(10, 0, 700), []span{
			{0, 20, cand("disk-filling", warning, 0, 60)}, {30, 50, cand("disk-filling", critical, 0, 60)}, {60, 900, cand("disk-filling", warning, 0, 60)}},
			[]string{"0 opened disk-filling warning since 0", "30 changed disk-filling critical since 0", "360 changed disk-filling warning since 0"}},
		{"what rose again stays up", every(10, 0, 3000), []span{
			{0, 20, cand("disk-filling", critical, 0, 60)}, {30, 700, cand("disk-filling", warning, 0, 60)},
			{710, 720, cand("disk-filling", critical, 0, 60)}, {730, 4000, cand("disk-filling", warning, 0, 60)}},
			[]string{"0 opened disk-filling critical since 0", "330 changed disk-filling warning since 0", "710 changed disk-filling critical since 0"}},
		{"a dip of severity is not told", every(10, 0, 200), []span{
			{0, 50, cand("disk-filling", critical, 0, 60)}, {60, 80, cand("disk-filling", warning, 0, 60)}, {90, 300, cand("disk-filling", critical, 0, 60)}},
			[]string{"0 opened disk-filling critical since 0"}},
		{"another reason that holds", every(10, 0, 150), []span{
			{0, 20, cand("bounce-surge", warning, 0, 60, reason(mta.CauseBlocked))},
			{30, 300, cand("bounce-surge", warning, 0, 60, reason(mta.CauseContent))}},
			[]string{"0 opened bounce-surge warning since 0", "90 changed bounce-surge warning since 0"}},
		{"the stronger of two of one name", every(10, 0, 10), []span{
			{0, 90, cand("bounce-surge", warning, 0, 60)}, {0, 90, cand("bounce-surge", critical, 0, 60)}, {0, 90, cand("bounce-surge", info, 0, 60)}},
			[]string{"0 opened bounce-surge critical since 0"}},
		{"a code-less candidate is nothing", every(10, 0, 10), []span{{0, 90, diagnose.Candidate{}}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, New(Config{}), tt.spans, tt.steps, tt.want) })
	}
}

func check(t *testing.T, b *Book, spans []span, steps []int, want []string) []Change {
	t.Helper()
	changes := play(b, spans, steps)
	var got []string
	for _, c := range changes {
		got = append(got, say(c))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	whole(t, changes)
	return changes
}

// whole checks what holds for any life: each ID opens once, then changes, then ends.
func whole(t *testing.T, changes []Change) {
	t.Helper()
	state := map[string]ChangeKind{}
	for _, c := range changes {
		f := c.Finding
		before, known := state[f.ID]
		if (c.Kind == Opened) == known || before == Resolved || f.ID == "" {
			t.Errorf("%s: %q follows %q for ID %q", say(c), c.Kind, before, f.ID)
		}
		if f.Since.After(f.Noticed) || f.Noticed.After(c.Time) || (c.Kind == Resolved) == f.End.IsZero() || !f.End.IsZero() && f.End.Before(f.Since) {
			t.Errorf("%s: since %s, noticed %s, end %s are not in order", say(c), f.Since, f.Noticed, f.End)
		}
		state[f.ID] = c.Kind
	}
}

func TestFamily(t *testing.T) {
	growth := family("queue", diagnose.RankGrowth)
	direct := family("queue", diagnose.RankDirect)
	tests := []struct {
		name  string
		steps []int
		spans []span
		want  []string
	}{
		{"the stronger alone", every(10, 0, 50), []span{{0, 90, cand("queue-growing", warning, 0, 60, growth)}, {0, 90, cand("job-controller-down", critical, 0, 60, direct)}},
			[]string{"0 opened job-controller-down critical since 0"}},
		{"the stronger takes the place", every(10, 0, 100), []span{{0, 900, cand("queue-growing", warning, 0, 60, growth)}, {20, 900, cand("job-controller-down", critical, 30, 60, direct)}},
			[]string{"0 opened queue-growing warning since 0", "50 changed job-controller-down critical since 0"}},
		{"and its own earlier begin counts", every(10, 0, 100), []span{{0, 900, cand("queue-growing", warning, 0, 60, growth)}, {20, 900, cand("job-controller-down", critical, 30, 60, direct, since(-50))}},
			[]string{"0 opened queue-growing warning since 0", "50 changed job-controller-down critical since -50"}},
		{"a weaker does not open beside", every(10, 0, 100), []span{{0, 900, cand("job-controller-down", critical, 0, 60, direct)}, {20, 900, cand("queue-growing", warning, 0, 60, growth)}},
			[]string{"0 opened job-controller-down critical since 0"}},
		{"of equals the open one", every(10, 0, 100), []span{{10, 900, cand("queue-growing", warning, 0, 60, growth)}, {20, 900, cand("queue-old-mail", critical, 0, 60, growth)}},
			[]string{"10 opened queue-growing warning since 10"}},
		{"the weaker takes it back, its severity later", every(10, 0, 720), []span{{0, 30, cand("job-controller-down", critical, 0, 60, direct)}, {0, 900, cand("queue-growing", warning, 0, 60, growth)}},
			[]string{"0 opened job-controller-down critical since 0", "100 changed queue-growing critical since 0", "400 changed queue-growing warning since 0"}},
		{"another instance is another family", every(10, 0, 20), []span{{0, 30, cand("job-controller-down", critical, 0, 60, direct)}, {0, 900, cand("queue-growing", warning, 0, 60, growth, instance("second"))}},
			[]string{"0 opened job-controller-down critical since 0", "0 opened queue-growing warning since 0"}},
		{"all end together", every(10, 0, 200), []span{{0, 30, cand("job-controller-down", critical, 0, 60, direct)}, {0, 30, cand("queue-growing", warning, 0, 60, growth)}},
			[]string{"0 opened job-controller-down critical since 0", "100 resolved job-controller-down critical since 0 end 40"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, New(Config{}), tt.spans, tt.steps, tt.want) })
	}
}

func TestFold(t *testing.T) {
	onDNS := needs(mta.FindingOwnDNSDead)
	tests := []struct {
		name  string
		steps []int
		spans []span
		want  []string
	}{
		{"after its cause", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", critical, 0, 30)}, {20, 900, cand("queue-growing", warning, 10, 30, onDNS)}},
			[]string{"0 opened own-dns-dead critical since 0"}},
		{"not into what explains other things", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", info, 0, 30, explains())}, {20, 900, cand("queue-growing", warning, 10, 30, onDNS)}},
			[]string{"0 opened own-dns-dead info since 0", "30 opened queue-growing warning since 20"}},
		{"into what explains it alone", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", info, 0, 30, explains("queue-growing"))},
			{20, 900, cand("queue-growing", info, 10, 30, onDNS)}, {20, 900, cand("bounce-surge", info, 10, 30, onDNS)}},
			[]string{"0 opened own-dns-dead info since 0", "30 opened bounce-surge info since 20"}},
		{"with its cause", every(10, 0, 50), []span{{0, 900, cand("queue-growing", warning, 0, 30, onDNS)}, {0, 900, cand("own-dns-dead", critical, 0, 30)}},
			[]string{"0 opened own-dns-dead critical since 0 +queue-growing"}},
		{"the cause takes the consequence's place", every(10, 0, 100), []span{{0, 900, cand("queue-growing", warning, 0, 30, onDNS)}, {50, 900, cand("own-dns-dead", critical, 0, 30, since(-5))}},
			[]string{"0 opened queue-growing warning since 0", "50 changed own-dns-dead critical since -5 +queue-growing"}},
		{"and ends the second", every(10, 0, 100), []span{{0, 900, cand("queue-growing", warning, 0, 30, onDNS)}, {10, 900, cand("bounce-surge", warning, 0, 30, onDNS)}, {50, 900, cand("own-dns-dead", critical, 0, 30, since(-5))}},
			[]string{"0 opened queue-growing warning since 0", "10 opened bounce-surge warning since 10",
				"50 resolved bounce-surge warning since 10 end 50 into another", "50 changed own-dns-dead critical since -5 +queue-growing +bounce-surge"}},
		{"a late cause that began no earlier stands apart", every(10, 0, 500), []span{{0, 900, cand("queue-growing", warning, 0, 30, onDNS)}, {400, 900, cand("own-dns-dead", critical, 0, 30)}},
			[]string{"0 opened queue-growing warning since 0", "400 opened own-dns-dead critical since 400"}},
		{"a late cause that began before takes the place", every(10, 0, 500), []span{{0, 900, cand("queue-growing", warning, 0, 30, onDNS)}, {400, 900, cand("own-dns-dead", critical, 0, 30, since(-20))}},
			[]string{"0 opened queue-growing warning since 0", "400 changed own-dns-dead critical since -20 +queue-growing"}},
		{"it waits for a cause that is pending", every(10, 0, 100), []span{{0, 900, cand("queue-growing", warning, 10, 30, onDNS)}, {0, 900, cand("own-dns-dead", critical, 60, 30)}},
			[]string{"60 opened own-dns-dead critical since 0 +queue-growing"}},
		{"but no longer than the cause needs", every(10, 0, 200), []span{{0, 900, cand("queue-growing", warning, 10, 30, onDNS)},
			{0, 20, cand("own-dns-dead", critical, 60, 30)}, {70, 90, cand("own-dns-dead", critical, 60, 30)}},
			[]string{"70 opened queue-growing warning since 0"}},
		{"a critical one waits less", every(10, 0, 80), []span{{0, 900, cand("mail-stopped", critical, 10, 30, onDNS)}, {0, 900, cand("own-dns-dead", critical, 300, 30)}},
			[]string{"40 opened mail-stopped critical since 0"}},
		{"what persists opens after its need anew", every(10, 0, 200), []span{{0, 50, cand("own-dns-dead", critical, 0, 30)}, {0, 900, cand("queue-growing", warning, 40, 30, onDNS)}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +queue-growing until 60", "130 opened queue-growing warning since 90"}},
		{"what is left of it does not", every(10, 0, 3000), []span{{0, 50, cand("own-dns-dead", critical, 0, 30)}, {0, 2000, cand("destination-timing-out", warning, 40, 30, onDNS, family("d", 2), since(20))}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +destination-timing-out until 60"}},
		{"but what outlasts the aftermath does", every(10, 0, 3000), []span{{0, 50, cand("own-dns-dead", critical, 0, 30)}, {0, 4000, cand("destination-timing-out", warning, 40, 30, onDNS, family("d", 2), since(20))}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +destination-timing-out until 60",
				"2170 opened destination-timing-out warning since 20"}},
		{"and so does what is critical", every(10, 0, 300), []span{{0, 50, cand("own-dns-dead", critical, 0, 30)}, {0, 4000, cand("mail-stopped", critical, 40, 30, onDNS, since(20))}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +mail-stopped until 60", "130 opened mail-stopped critical since 20"}},
		{"and so does what began after it", every(10, 0, 400), []span{{0, 50, cand("own-dns-dead", critical, 0, 30)}, {110, 4000, cand("destination-timing-out", warning, 40, 30, onDNS, family("d", 2))}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60", "150 opened destination-timing-out warning since 110"}},
		{"a consequence that ends is not told", every(10, 0, 200), []span{{0, 100, cand("own-dns-dead", critical, 0, 30)}, {0, 50, cand("queue-growing", warning, 0, 20, onDNS)}},
			[]string{"0 opened own-dns-dead critical since 0 +queue-growing", "140 resolved own-dns-dead critical since 0 end 110 +queue-growing until 60"}},
		{"a consequence raises the severity", every(10, 0, 700), []span{{0, 900, cand("own-dns-dead", warning, 0, 30)}, {20, 40, cand("mail-stopped", critical, 0, 20, onDNS)}},
			[]string{"0 opened own-dns-dead warning since 0", "20 changed own-dns-dead critical since 0 +mail-stopped", "350 changed own-dns-dead warning since 0 +mail-stopped until 50"}},
		{"another instance's cause is none", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", critical, 0, 30, instance("second"))}, {20, 900, cand("queue-growing", warning, 0, 30, onDNS)}},
			[]string{"0 opened own-dns-dead critical since 0", "20 opened queue-growing warning since 20"}},
		{"the host's cause is one", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", critical, 0, 30, instance(""))}, {20, 900, cand("queue-growing", warning, 0, 30, onDNS)}},
			[]string{"0 opened own-dns-dead critical since 0"}},
		{"through another consequence", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", critical, 0, 30)}, {0, 900, cand("queue-growing", warning, 0, 30, onDNS)}, {0, 900, cand("queue-old-mail", warning, 0, 30, needs("queue-growing"))}},
			[]string{"0 opened own-dns-dead critical since 0 +queue-growing +queue-old-mail"}},
		{"a circle opens the strongest", every(10, 0, 50), []span{{0, 900, cand("queue-growing", warning, 0, 30, needs("queue-old-mail"))}, {0, 900, cand("queue-old-mail", critical, 0, 30, needs("queue-growing"))}},
			[]string{"0 opened queue-old-mail critical since 0 +queue-growing"}},
		{"of itself", every(10, 0, 50), []span{{0, 900, cand("queue-growing", warning, 0, 30, needs("queue-growing"))}},
			[]string{"0 opened queue-growing warning since 0"}},
		{"a cause whose stronger sibling is told", every(10, 0, 50), []span{{0, 900, cand("network-broken", critical, 0, 30, family("out", 4))},
			{0, 900, cand("destination-timing-out", warning, 0, 30, family("out", 2))}, {10, 900, cand("queue-growing", warning, 0, 30, needs("destination-timing-out"))}},
			[]string{"0 opened network-broken critical since 0"}},
		{"a sibling of a folded one stays silent", every(10, 0, 50), []span{{0, 900, cand("own-dns-dead", critical, 0, 30)},
			{0, 900, cand("queue-not-draining", warning, 0, 30, family("queue", 3), onDNS)}, {0, 900, cand("queue-growing", warning, 0, 30, family("queue", 1))}},
			[]string{"0 opened own-dns-dead critical since 0 +queue-not-draining"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, New(Config{}), tt.spans, tt.steps, tt.want) })
	}
}

func TestExplainIsRare(t *testing.T) {
	var calls int
	c := cand("queue-growing", warning, 20, 60, func(c *diagnose.Candidate) {
		c.Evidence = make([]mta.Evidence, 0, 8)
		c.Explain = func(f *mta.Finding) {
			calls++
			f.Evidence = append(f.Evidence, mta.Evidence{Text: fmt.Sprint("call ", calls)})
		}
	})
	b := New(Config{})
	play(b, []span{{0, 900, c}}, every(10, 0, 10))
	if calls != 0 {
		t.Fatalf("explained %d times before it opened", calls)
	}
	play(b, []span{{0, 900, c}}, every(10, 20, 140))
	if calls != 3 {
		t.Errorf("explained %d times in two minutes, want at the opening and each 60 s: 3", calls)
	}
	got := b.Open()
	if len(got) != 1 || len(got[0].Evidence) != 1 || got[0].Evidence[0].Text != "call 3" {
		t.Errorf("open findings %+v, want the evidence of the third call alone", got)
	}
}

func TestOpenAndPastInOrder(t *testing.T) {
	b := New(Config{Past: 2})
	changes := play(b, []span{
		{0, 900, cand("mail-held", info, 0, 0)}, {0, 900, cand("mail-loop", critical, 0, 0)}, {0, 900, cand("disk-filling", warning, 0, 0)},
		{0, 10, cand("bounce-surge/1", info, 0, 0)}, {0, 20, cand("bounce-surge/2", info, 0, 0)}, {0, 30, cand("bounce-surge/3", info, 0, 0)},
	}, every(10, 0, 60))
	whole(t, changes)
	var open, past []string
	for _, f := range b.Open() {
		open = append(open, string(f.Code))
	}
	for _, f := range b.Past() {
		past = append(past, f.Subject)
	}
	if d := cmp.Diff([]string{"mail-loop", "disk-filling", "mail-held"}, open); d != "" {
		t.Errorf("open (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"3", "2"}, past); d != "" {
		t.Errorf("past (-want +got):\n%s", d)
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	nan, inf, seven := math.NaN(), math.Inf(1), 7.0
	c := cand("queue-growing", warning, 0, 0, func(c *diagnose.Candidate) {
		c.Score, c.Confidence = inf, nan
		c.Evidence = []mta.Evidence{{Text: "x", Value: &nan, Low: &inf, High: &seven}}
	})
	b := New(Config{})
	b.Step(start, []diagnose.Candidate{c})
	puts := 0
	b.Flush(func(k string, _ []byte) {
		if strings.HasPrefix(k, recordOpen) {
			puts++
		}
	}, func(string) {})
	f := b.Open()[0]
	if puts != 1 || f.Score != 0 || f.Confidence != 0 || f.Evidence[0].Value != nil || f.Evidence[0].Low != nil || *f.Evidence[0].High != 7 {
		t.Errorf("%d records kept of %+v", puts, f)
	}
}

func TestManyCandidatesAreBounded(t *testing.T) {
	b := New(Config{})
	var list []diagnose.Candidate
	for i := range 3 * maxTracked {
		list = append(list, cand(fmt.Sprintf("destination-refusing/%d.example", i), warning, 60, 0))
	}
	list = append(list, cand("mail-loop", critical, 0, 0))
	changes := b.Step(start, list)
	if len(changes) != 1 || changes[0].Finding.Code != mta.FindingMailLoop {
		t.Errorf("changes %v, want mail-loop alone", changes)
	}
	if len(b.tracked) > maxTracked+1 || b.Refused() != 2*maxTracked {
		t.Errorf("%d followed, %d refused", len(b.tracked), b.Refused())
	}
	b.Step(at(10), nil)
	b.Step(at(60), nil)
	if len(b.tracked) != 0 || len(b.byKey) != 0 {
		t.Errorf("%d still followed", len(b.tracked))
	}
}

// TestAnyOrder lets many candidates come and go as they like and checks that
// each ID has one whole life, that what is told open is open, and that
// nothing is followed for ever.
func TestAnyOrder(t *testing.T) {
	codes := mta.FindingCodes()
	for seed := range uint32(60) {
		b := New(Config{})
		rnd := seed*2654435761 + 1
		next := func(n int) int {
			rnd ^= rnd << 13
			rnd ^= rnd >> 17
			rnd ^= rnd << 5
			return int(rnd % uint32(n))
		}
		var all []Change
		now := start
		for range 400 {
			var list []diagnose.Candidate
			for range next(6) {
				c := cand(string(codes[next(8)]), mta.Severity(next(5)), next(3)*20, next(3)*20)
				c.DependsOn = []mta.FindingCode{codes[next(8)]}
				c.Family, c.Rank = []string{"", "a", "b"}[next(3)], diagnose.Rank(next(5))
				c.Instance = []string{"", "x", "y"}[next(3)]
				c.Since = now.Add(time.Duration(next(600)-500) * time.Second)
				list = append(list, c)
			}
			now = now.Add(time.Duration(next(30)) * time.Second)
			all = append(all, b.Step(now, list)...)
		}
		whole(t, all)
		open := map[string]bool{}
		for _, c := range all {
			open[c.Finding.ID] = c.Kind != Resolved
		}
		for _, f := range b.Open() {
			if !open[f.ID] {
				t.Errorf("seed %d: %s is open and was not told", seed, f.Code)
			}
			delete(open, f.ID)
		}
		for id, is := range open {
			if is {
				t.Errorf("seed %d: %s was told open and is not", seed, id)
			}
		}
		for range 20 {
			now = now.Add(10 * time.Second)
			b.Step(now, nil)
		}
		if n := len(b.Open()); n != 0 || len(b.tracked) != 0 || len(b.byKey) != 0 {
			t.Errorf("seed %d: %d open and %d followed when all is over", seed, n, len(b.tracked))
		}
		ids := map[string]bool{}
		for _, f := range b.Past() {
			if ids[f.ID] {
				t.Errorf("seed %d: two past findings have ID %s", seed, f.ID)
			}
			ids[f.ID] = true
		}
		if !slices.IsSortedFunc(b.Past(), func(x, y mta.Finding) int { return y.End.Compare(x.End) }) {
			t.Errorf("seed %d: past findings are not newest first", seed)
		}
	}
}
