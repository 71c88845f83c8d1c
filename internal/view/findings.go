package view

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Verdict is all signs and findings in one word.
type Verdict string

// The verdicts, the best first. Their order is that of Nagios' exit statuses.
const (
	VerdictOK       Verdict = "ok"
	VerdictWarning  Verdict = "warning"
	VerdictCritical Verdict = "critical"
	VerdictUnknown  Verdict = "unknown" // what matters cannot be seen
)

// Range is what is normal for a figure at this hour: 98 of 100 values lie in it.
type Range struct {
	Low         float64       `json:"low"`
	High        float64       `json:"high"`
	Time        time.Time     `json:"time"` // whose hour it is of
	LearnedFrom time.Duration `json:"learned_from_ns"`
}

// RangeOf gives the range of a baseline; nil where nothing is known.
func RangeOf(b mta.Baseline, ok bool) *Range {
	if !ok || !finite(b.Low) || !finite(b.High) {
		return nil
	}
	return &Range{Low: b.Low, High: b.High, Time: b.Time, LearnedFrom: b.LearnedFrom}
}

// Presentable gives copies of findings that any surface can write: JSON has
// no words for a number that is none.
func Presentable(list []mta.Finding) []mta.Finding {
	out := make([]mta.Finding, len(list))
	for i, f := range list {
		f.Evidence = slices.Clone(f.Evidence)
		for k := range f.Evidence {
			e := &f.Evidence[k]
			for _, p := range [...]**float64{&e.Value, &e.Low, &e.High} {
				if *p != nil && !finite(**p) {
					*p = nil
				}
			}
		}
		if !finite(f.Score) {
			f.Score = 0
		}
		if !finite(f.Confidence) {
			f.Confidence = 0
		}
		if len(f.Folded) > 0 {
			f.Folded = Presentable(f.Folded)
		}
		out[i] = f
	}
	return out
}

// WithoutLines gives copies of findings without their log lines, for who may
// not see single messages.
func WithoutLines(list []mta.Finding) []mta.Finding {
	list = slices.Clone(list)
	for i := range list {
		f := &list[i]
		f.Evidence = slices.Clone(f.Evidence)
		for k := range f.Evidence {
			f.Evidence[k].Lines = nil
		}
		f.Folded = WithoutLines(f.Folded)
	}
	return list
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// FindingQuery asks for findings. Zero values: all that are open, and the
// newest 100 of the past.
type FindingQuery struct {
	ID    string
	Code  mta.FindingCode
	Since time.Time // only those that were open then or after
	Limit int       // of the past ones
}

// Findings are the open findings and those that were.
type Findings struct {
	Time    time.Time     `json:"time"`
	Open    []mta.Finding `json:"open"`       // the worst first
	Past    []mta.Finding `json:"past"`       // newest first
	More    bool          `json:"more"`       // the limit cut the past
	Learned time.Duration `json:"learned_ns"` // how much past the normal ranges are learned from
	Unknown string        `json:"unknown,omitempty"`
}

// Select answers a query from all findings there are.
func (q FindingQuery) Select(open, past []mta.Finding) Findings {
	f := Findings{Open: []mta.Finding{}, Past: []mta.Finding{}}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	for i := range open {
		if q.takes(&open[i]) {
			f.Open = append(f.Open, open[i])
		}
	}
	for i := range past {
		if !q.takes(&past[i]) {
			continue
		}
		if len(f.Past) == limit {
			f.More = true
			break
		}
		f.Past = append(f.Past, past[i])
	}
	f.Open, f.Past = Presentable(f.Open), Presentable(f.Past)
	return f
}

func (q FindingQuery) takes(f *mta.Finding) bool {
	return (q.ID == "" || q.ID == f.ID || f.End.IsZero() && slices.ContainsFunc(f.Folded, func(c mta.Finding) bool { return c.ID == q.ID })) && (q.Code == "" || q.Code == f.Code || folds(f, q.Code)) &&
		(q.Since.IsZero() || f.End.IsZero() || !f.End.Before(q.Since))
}

func folds(f *mta.Finding, code mta.FindingCode) bool {
	return slices.ContainsFunc(f.Folded, func(c mta.Finding) bool { return c.Code == code })
}

// Unseen is one thing that is not known.
type Unseen struct{ What, Why string }

// Unseen names everything of a status that is not known.
func (s *Status) Unseen() []Unseen {
	var list []Unseen
	for i := range s.Instances {
		in := &s.Instances[i]
		for _, sign := range [...]struct{ name, unknown string }{
			{"queue", in.Queue.Unknown}, {"failures", in.Failures.Unknown},
			{"connections", in.Connections.Unknown}, {"processes", in.Processes.Unknown},
		} {
			if sign.unknown != "" {
				list = append(list, Unseen{sign.name + " of " + in.Name, sign.unknown})
			}
		}
		if in.Queue.Messages == nil && in.Queue.Unknown == "" {
			list = append(list, Unseen{"queue of " + in.Name, "not counted yet"})
		}
	}
	for _, b := range s.Blind {
		list = append(list, Unseen{b.Source, b.Text})
	}
	if len(s.Instances) == 0 {
		list = append(list, Unseen{Why: "no mail server found on this machine"})
	}
	return list
}

// Gone is a daemon that must run and does not.
type Gone struct{ Instance, Role string }

// Gone names the daemons that must run and do not, and of which no finding tells.
func (s *Status) Gone() []Gone {
	var list []Gone
	for i := range s.Instances {
		in := &s.Instances[i]
		for _, role := range in.Processes.Missing {
			if !s.tells(in.Name, role) {
				list = append(list, Gone{in.Name, role})
			}
		}
	}
	return list
}

// tells reports whether an open finding is about a daemon that is gone.
func (s *Status) tells(instance, role string) bool {
	return slices.ContainsFunc(s.Findings, func(f mta.Finding) bool {
		return f.Instance == instance && f.Severity == mta.SeverityCritical && f.Code.Sign() == mta.SignDaemons &&
			(strings.HasPrefix(string(f.Code), role) || f.Code == mta.FindingDispatcherDown)
	})
}

// Judge gives the verdict: that of the worst finding. Info never raises it;
// a daemon that is gone is critical, finding or not; a blind spot is unknown, and
// unknown gives way only to what is known to be wrong.
func (s *Status) Judge() Verdict {
	v := VerdictOK
	if len(s.Unseen()) > 0 {
		v = VerdictUnknown
	}
	for i := range s.Findings {
		switch f := &s.Findings[i]; {
		case f.Severity == mta.SeverityCritical:
			return VerdictCritical
		case f.Severity == mta.SeverityWarning && (v == VerdictOK || f.Code != mta.FindingBlindSpot):
			v = VerdictWarning
		}
	}
	if len(s.Gone()) > 0 {
		return VerdictCritical
	}
	return v
}
