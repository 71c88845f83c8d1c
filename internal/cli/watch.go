package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// change is one line of 'status --watch'.
type change struct {
	Time    time.Time    `json:"time"`
	Event   string       `json:"event"` // verdict, opened, changed, resolved
	Verdict view.Verdict `json:"verdict"`
	Text    string       `json:"text"`
	Finding *mta.Finding `json:"finding,omitempty"` // of opened and changed as it is, of resolved as it was last
}

// watchStatus prints the verdict, and then a line at each change, until it is
// stopped. The exit status is that of the last verdict.
func (t *tool) watchStatus(ctx context.Context, interval time.Duration) error {
	if err := checkInterval(interval); err != nil {
		return err
	}
	r, err := t.reader(t.complain)
	if err != nil {
		return err
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	var last *view.Status
	clock := time.NewTicker(interval)
	defer clock.Stop()
	for {
		s := view.Status{}
		err := r.ask(ctx, func(src view.Source) (err error) {
			s, err = src.Status(ctx)
			return err
		})
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			s = unanswered(last)
		} else {
			s.Verdict = s.Judge()
		}
		for _, c := range changes(last, &s, err) {
			if err := t.changeLine(c); err != nil {
				return err
			}
		}
		last = &s
		select {
		case <-ctx.Done():
		case <-clock.C:
			continue
		}
		break
	}
	if last == nil {
		return exit(exitUnknown)
	}
	if status := exitOf(last.Verdict); status != exitOK {
		return exit(status)
	}
	return nil
}

// unanswered is the status while nobody answers: unknown, with the findings
// that were open, for nobody knows that they are over.
func unanswered(last *view.Status) view.Status {
	s := view.Status{Time: time.Now(), Verdict: view.VerdictUnknown}
	if last != nil {
		s.Findings = last.Findings
	}
	return s
}

// changes tells what is new in a status; err is why there is none. The first
// status is new as a whole.
func changes(last, s *view.Status, err error) []change {
	var list []change
	put := func(event, text string, f *mta.Finding) {
		list = append(list, change{Time: s.Time, Event: event, Verdict: s.Verdict, Text: text, Finding: f})
	}
	if last == nil || last.Verdict != s.Verdict {
		text := say.Headline(s)
		if err != nil {
			text = firstLine(err.Error())
		}
		put("verdict", text, nil)
	}
	if err != nil {
		return list
	}
	var before []mta.Finding
	if last != nil {
		before = last.Findings
	}
	for i := range s.Findings {
		f := &s.Findings[i]
		k := slices.IndexFunc(before, func(o mta.Finding) bool { return sameFinding(&o, f) })
		switch {
		case k < 0:
			put("opened", clean(f.Title), f)
		case before[k].Severity != f.Severity:
			put("changed", clean(f.Title), f)
		}
	}
	for i := range before {
		if !slices.ContainsFunc(s.Findings, func(o mta.Finding) bool { return sameFinding(&o, &before[i]) }) {
			put("resolved", clean(before[i].Title), &before[i])
		}
	}
	return list
}

// sameFinding reports whether two are one incident.
func sameFinding(a, b *mta.Finding) bool {
	if a.ID != "" || b.ID != "" {
		return a.ID == b.ID
	}
	return a.Code == b.Code && a.Instance == b.Instance && a.Subject == b.Subject
}

func (t *tool) changeLine(c change) error {
	if t.json {
		if err := t.out.jsonLine(c); err != nil {
			return err
		}
	} else {
		text := c.Time.Local().Format(time.RFC3339) + " "
		if c.Finding == nil {
			text += t.out.in(verdictStyle(c.Verdict), say.Verdict(c.Verdict)) + ": " + c.Text
		} else {
			text += fmt.Sprintf("%s %s %s: %s", c.Event, t.out.in(severityStyle(c.Finding.Severity), severityText(c.Finding.Severity)), clean(string(c.Finding.Code)), c.Text)
			if c.Finding.ID != "" {
				text += " [" + clean(c.Finding.ID) + "]"
			}
		}
		t.out.plain(text)
	}
	if err := t.out.flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
