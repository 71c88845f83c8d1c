package say

import (
	"fmt"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Severity is it as a word: INFO, WARNING, CRITICAL.
func Severity(s mta.Severity) string { return strings.ToUpper(Clean(s.String())) }

// CleanAll cleans each text.
func CleanAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Clean(s)
	}
	return out
}

// WithoutDoNot takes off the words that stand before the list already.
func WithoutDoNot(list []string) []string {
	out := CleanAll(list)
	for i, s := range out {
		for _, words := range [...]string{"do not ", "Do not "} {
			s = strings.TrimPrefix(s, words)
		}
		out[i] = s
	}
	return out
}

// Since says since when, until when, and when it was noticed.
func Since(now time.Time, f *mta.Finding) string {
	text := Clock(now, f.Since)
	if f.End.IsZero() {
		text += " (" + Age(now, f.Since) + ")"
	} else {
		text += " until " + Clock(now, f.End) + " (" + Span(f.End.Sub(f.Since)) + ")"
	}
	if !f.Noticed.IsZero() {
		text += ", noticed " + Clock(now, f.Noticed)
	}
	return text
}

// Sentence says what is wrong and since when. The title of what is seen to be over
// says so itself: since when it was, and since when it is not.
func Sentence(now time.Time, f *mta.Finding) string {
	if !f.Over.IsZero() {
		return Clean(f.Title)
	}
	return Clean(f.Title) + ", since " + Clock(now, f.Since) + " (" + Age(now, f.Since) + ")"
}

// Consequence is what follows from another finding, in one line.
func Consequence(now time.Time, f *mta.Finding) string {
	text := Clean(string(f.Code)) + ": " + Clean(f.Title)
	if f.Over.IsZero() {
		text += ", since " + Clock(now, f.Since)
	}
	return text
}

// Evidence is one proof, with the normal range where the text has none.
func Evidence(now time.Time, e *mta.Evidence) string {
	text := Clean(e.Text)
	if e.Low == nil || e.High == nil || strings.Contains(text, "normal") {
		return text
	}
	r := view.Range{Low: *e.Low, High: *e.High, Time: now}
	if strings.Contains(text, "usual") {
		return text + " (normal " + Range(r) + ")" // it names the value already
	}
	if e.Value != nil {
		text += ": now " + Level(*e.Value)
	}
	return text + ", normal for " + Hour(now, &r) + " is " + Range(r)
}

// Rarity says how often a reading like this comes by chance: the score
// is the logarithm of its return period in hours.
func Rarity(score float64) string {
	const day, year = 1.3802, 3.9425 // log10 of their hours
	switch {
	case score < day:
		return "comes by chance more than once a day"
	case score >= year+3:
		return "comes by chance less than once in 1000 years"
	case score >= year:
		return "comes by chance once in " + Level(pow10(score-year)) + " years"
	}
	return "comes by chance once in " + Level(pow10(score-day)) + " days"
}

// andMore names what is not told, if any.
func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// unseenText gives it for the headline. Errors tell their whole way; the last two
// parts say what failed, and the whole stands below.
func unseenText(u view.Unseen) string {
	parts := strings.Split(FirstLine(u.Why), ": ")
	text := strings.Join(parts[max(0, len(parts)-2):], ": ")
	if u.What != "" {
		text = Clean(u.What) + ": " + text
	}
	return Cut(text, HeadlineWidth)
}

// HeadlineWidth bounds what the first line of a status quotes of errors: pagers and
// Nagios cut long lines.
const HeadlineWidth = 120

// Verdict is a verdict as a word: OK, WARNING, CRITICAL or UNKNOWN. What is no
// verdict is unknown.
func Verdict(v view.Verdict) string {
	switch v {
	case view.VerdictOK, view.VerdictWarning, view.VerdictCritical:
		return strings.ToUpper(string(v))
	}
	return strings.ToUpper(string(view.VerdictUnknown))
}

// Headline is what stands behind the verdict in the first line of a status: the worst that is known, and how much
// more there is.
func Headline(s *view.Status) string {
	gone, unseen := s.Gone(), s.Unseen()
	var told string
	more := 0
	for i := range s.Findings {
		if f := &s.Findings[i]; f.Severity == mta.SeverityCritical || f.Severity == mta.SeverityWarning {
			if told == "" {
				told = Sentence(s.Time, f)
			} else {
				more++
			}
		}
	}
	switch s.Verdict {
	case view.VerdictOK:
		return Summary(s)
	case view.VerdictWarning:
		return told + andMore(more)
	case view.VerdictCritical:
		if len(gone) > 0 && (len(s.Findings) == 0 || s.Findings[0].Severity != mta.SeverityCritical) {
			var parts []string
			for _, g := range gone {
				parts = append(parts, fmt.Sprintf("the %s of %s is not running", Clean(g.Role), Clean(g.Instance)))
			}
			if told != "" {
				more++
			}
			told = strings.Join(parts, "; ")
		}
		return told + andMore(more)
	}
	if len(unseen) == 0 {
		return "nothing is known"
	}
	return unseenText(unseen[0]) + andMore(len(unseen)-1+len(gone))
}

// Held says that nobody is called because of a finding; "" when they are.
func Held(now time.Time, f *mta.Finding) string {
	var parts []string
	if a := f.Acknowledged; a != nil {
		p := "acknowledged " + Clock(now, a.At)
		if a.By != "" {
			p += " by " + Clean(a.By)
		}
		if a.Note != "" {
			p += ": " + Clean(a.Note)
		}
		parts = append(parts, p)
	}
	if !f.SilencedUntil.IsZero() {
		parts = append(parts, "silenced until "+Clock(now, f.SilencedUntil))
	}
	return strings.Join(parts, "; ")
}
