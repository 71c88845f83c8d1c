package cli

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The words of package say, under the names that the commands use.

func clean(s string) string              { return say.Clean(s) }
func hostile(r rune) bool                { return say.Hostile(r) }
func textWidth(s string) int             { return say.Width(s) }
func cut(s string, columns int) string   { return say.Cut(s, columns) }
func bytesText(n int64) string           { return say.Bytes(n) }
func spanText(d time.Duration) string    { return say.Span(d) }
func ageText(now, t time.Time) string    { return say.Age(now, t) }
func clockText(now, t time.Time) string  { return say.Clock(now, t) }
func countText(n int64) string           { return say.Count(n) }
func plural(n int64, word string) string { return say.Plural(n, word) }
func scopeText(s mta.Scope) string       { return say.Scope(s) }
func firstLine(s string) string          { return say.FirstLine(s) }
func usualCell(r *view.Range) string     { return say.Usual(r) }
func learnedText(d time.Duration) string { return say.Learned(d) }
func portText(p view.PortRow) string     { return say.Port(p) }
func coverText(now, since time.Time, window time.Duration) string {
	return say.Cover(now, since, window)
}
func leftOverText(n int) string                                   { return say.LeftOver(n) }
func sinceText(now time.Time, f *mta.Finding) string              { return say.Since(now, f) }
func consequenceText(now time.Time, f *mta.Finding) string        { return say.Consequence(now, f) }
func evidenceText(now time.Time, e *mta.Evidence) string          { return say.Evidence(now, e) }
func rarityText(score float64) string                             { return say.Rarity(score) }
func withoutDoNot(list []string) []string                         { return say.WithoutDoNot(list) }
func cleanAll(list []string) []string                             { return say.CleanAll(list) }
func severityText(s mta.Severity) string                          { return say.Severity(s) }
func topText[N int | int64](counts map[string]N, most int) string { return say.Top(counts, most) }
func heldText(now time.Time, f *mta.Finding) string               { return say.Held(now, f) }
