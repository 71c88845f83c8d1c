package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The kinds of verdict.
const (
	kindAnomaly = "anomaly"
	kindFinding = "finding"
)

// verdict is one line that judge prints.
type verdict struct {
	Kind       string          `json:"kind"`
	Code       mta.FindingCode `json:"code"`     // "" of an anomaly
	Cause      string          `json:"cause"`    // a word of the vocabulary, or ""
	Severity   mta.Severity    `json:"severity"` // of an anomaly info
	Begin      time.Time       `json:"begin"`    // when the change began
	Noticed    time.Time       `json:"noticed"`
	End        *time.Time      `json:"end"`   // null: open when the data ended
	Score      float64         `json:"score"` // log10 of the return period in hours; 0 with direct evidence
	Title      string          `json:"title"`
	ID         string          `json:"id,omitempty"`
	Instance   string          `json:"instance,omitempty"`
	Subject    string          `json:"subject,omitempty"`
	Text       string          `json:"text,omitempty"` // the cause as a sentence
	Series     string          `json:"series,omitempty"`
	Value      *float64        `json:"value,omitempty"`
	Low        *float64        `json:"low,omitempty"`
	High       *float64        `json:"high,omitempty"`
	Confidence float64         `json:"confidence,omitempty"`
	Evidence   []mta.Evidence  `json:"evidence,omitempty"`
	RuledOut   []string        `json:"ruled_out,omitempty"`
	Advice     []string        `json:"advice,omitempty"`
	Avoid      []string        `json:"avoid,omitempty"`
	Folded     []string        `json:"folded,omitempty"` // codes of its consequences
}

// verdicts gathers what was found.
type verdicts struct {
	now      time.Time
	findings map[string]mta.Finding // by ID, as last told
	open     map[string]*episode    // by series
	past     []episode
}

// episode is an anomaly over the moments in which it was there.
type episode struct {
	mta.Anomaly           // at its strangest
	noticed     time.Time // first
	last        time.Time
	ended       bool
}

// episodeGap is for how long an anomaly may be away and still be the same one.
const episodeGap = 10 * time.Minute

func newVerdicts() *verdicts {
	return &verdicts{findings: make(map[string]mta.Finding), open: make(map[string]*episode)}
}

func (v *verdicts) finding(f mta.Finding) {
	if f.ID == "" {
		f.ID = fmt.Sprintf("%s/%s/%s/%d", f.Code, f.Instance, f.Subject, f.Since.UnixNano())
	}
	v.findings[f.ID] = f
}

// anomalies takes those of one moment.
func (v *verdicts) anomalies(now time.Time, list []mta.Anomaly) {
	v.now = now
	for _, a := range list {
		e := v.open[a.Series]
		if e != nil && now.Sub(e.last) > episodeGap {
			v.close(e)
			e = nil
		}
		if e == nil {
			e = &episode{Anomaly: a, noticed: now}
			v.open[a.Series] = e
		}
		e.last = now
		since := e.Since
		if a.Rarity > e.Rarity {
			e.Anomaly = a
		}
		if a.Since.IsZero() || !since.IsZero() && since.Before(a.Since) {
			e.Since = since
		} else {
			e.Since = a.Since
		}
	}
}

func (v *verdicts) close(e *episode) {
	e.ended = true
	v.past = append(v.past, *e)
	delete(v.open, e.Series)
}

// lines gives everything in the order in which it was noticed.
func (v *verdicts) lines() []verdict {
	for _, e := range v.open {
		e.ended = v.now.After(e.last)
		v.past = append(v.past, *e)
	}
	clear(v.open)
	var list []verdict
	for i := range v.past {
		list = append(list, v.past[i].verdict())
	}
	for _, f := range v.findings {
		list = append(list, findingVerdict(view.Presentable([]mta.Finding{f})[0]))
	}
	slices.SortFunc(list, func(a, b verdict) int {
		return cmp.Or(a.Noticed.Compare(b.Noticed), a.Begin.Compare(b.Begin), strings.Compare(a.Kind, b.Kind),
			strings.Compare(string(a.Code), string(b.Code)), strings.Compare(a.Series, b.Series), strings.Compare(a.ID, b.ID))
	})
	return list
}

func (e *episode) verdict() verdict {
	begin := e.Since
	if begin.IsZero() || begin.After(e.noticed) {
		begin = e.noticed
	}
	v := verdict{Kind: kindAnomaly, Severity: mta.SeverityInfo, Begin: begin.UTC(), Noticed: e.noticed.UTC(), Score: finite(e.Rarity), Series: e.Series,
		Value: pointer(e.Value), Low: pointer(e.Low), High: pointer(e.High),
		Title: fmt.Sprintf("%s is %s, normal is %s to %s", e.Series, figure(e.Value), figure(e.Low), figure(e.High))}
	if e.ended {
		end := e.last.UTC()
		v.End = &end
	}
	return v
}

func findingVerdict(f mta.Finding) verdict {
	v := verdict{Kind: kindFinding, Code: f.Code, Cause: f.Reason.String(), Severity: f.Severity, Begin: f.Since.UTC(), Noticed: f.Noticed.UTC(),
		Score: f.Score, Title: f.Title, ID: f.ID, Instance: f.Instance, Subject: f.Subject, Text: f.Cause, Confidence: f.Confidence,
		Evidence: f.Evidence, RuledOut: f.RuledOut, Advice: f.Advice, Avoid: f.Avoid}
	if !f.End.IsZero() {
		end := f.End.UTC()
		v.End = &end
	}
	for _, c := range f.Folded {
		v.Folded = append(v.Folded, string(c.Code))
	}
	return v
}

// finite makes a number that JSON can hold.
func finite(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, -math.MaxFloat64), math.MaxFloat64)
}

// pointer gives nil for what is no number.
func pointer(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// figure writes a number as a person reads it: four digits are enough.
func figure(v float64) string {
	if a := math.Abs(v); a >= 1000 && a < 1e15 {
		v = math.Round(v)
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// write prints one verdict.
func (j *judging) write(v *verdict) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return j.put(append(b, '\n'))
}

func (j *judging) put(b []byte) error {
	if _, err := j.t.out.w.Write(safeJSON(b)); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// scorer prints scores.
type scorer struct {
	values map[*mta.Series]float64
	out    []byte
}

// score prints the score of each point of this moment.
func (j *judging) score(r mta.Reading) error {
	s := &j.scores
	if s.values == nil {
		s.values = make(map[*mta.Series]float64)
	}
	clear(s.values)
	for i := range r.Samples {
		s.values[r.Samples[i].Series] = r.Samples[i].Value
	}
	b := s.out[:0]
	for series, score := range j.engine.Scores {
		v, ok := s.values[series]
		if !ok {
			continue
		}
		b = mta.AppendJSONString(append(b, `{"kind":"score","series":`...), series.Name)
		b = r.Time.AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano)
		b = appendSeconds(append(b, `","timestamp":`...), r.Time)
		b = strconv.AppendFloat(append(b, `,"value":`...), v, 'g', -1, 64)
		b = strconv.AppendFloat(append(b, `,"score":`...), min(max(finite(score), 0), 1), 'g', 6, 64)
		b = append(b, "}\n"...)
	}
	s.out = b
	return j.put(b)
}

// appendSeconds writes a time as seconds since 1970.
func appendSeconds(b []byte, t time.Time) []byte {
	b = strconv.AppendInt(b, t.Unix(), 10)
	if ns := t.Nanosecond(); ns > 0 {
		b = append(b, '.')
		b = append(b, strings.TrimRight(fmt.Sprintf("%09d", ns), "0")...)
	}
	return b
}
