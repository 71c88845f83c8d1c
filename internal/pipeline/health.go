package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// gapHabit knows how long a source is used to be silent: the longest gap
// between lines in each of the last 24 hours.
type gapHabit struct {
	Longest [24]time.Duration `json:"longest_ns"`
	Hour    int64             `json:"hour"` // since 1970, of the newest entry
}

func (g *gapHabit) add(at time.Time, gap time.Duration) {
	h := at.Unix() / 3600
	for ; g.Hour < h && h-g.Hour <= 24; g.Hour++ {
		g.Longest[(g.Hour+1)%24] = 0
	}
	if h-g.Hour > 24 {
		g.Longest = [24]time.Duration{}
	}
	g.Hour = max(g.Hour, h)
	if i := h % 24; gap > g.Longest[i] {
		g.Longest[i] = gap
	}
}

// Silence bounds the silence of a log that is no longer its habit. Zero
// values: 10 minutes and 24 hours.
type Silence struct {
	Least time.Duration // a shorter silence is never a blind spot
	Most  time.Duration // a longer one always is
}

// limit is the silence that is no longer habit: three times the longest gap
// of a day, within bounds.
func (g *gapHabit) limit(within Silence) time.Duration {
	return min(max(3*g.usual(), within.Least), within.Most)
}

// usual is the longest gap of the last day.
func (g *gapHabit) usual() time.Duration {
	var longest time.Duration
	for _, d := range g.Longest {
		longest = max(longest, d)
	}
	return longest
}

// heardAt notes that lines came.
func (s *source) heardAt(now time.Time) {
	if !s.heard.IsZero() && now.After(s.heard) && !s.resumed {
		s.gaps.add(now, now.Sub(s.heard))
	}
	s.resumed = false // our own absence is no habit of the source
	if now.After(s.heard) {
		s.heard = now
	}
}

// share is the share of lines that were not understood among the last few
// thousand, by exponential forgetting.
type share struct {
	bad, all float64
}

func (s *share) add(bad bool) {
	const keep = 1 - 1.0/2000
	s.all = s.all*keep + 1
	if s.bad *= keep; s.bad < 1e-100 {
		s.bad = 0 // the smallest of numbers are slow
	}
	if bad {
		s.bad++
	}
}

// A source is not understood when more than one line in twenty of the MTA's
// own lines is unknown or malformed, with at least forty seen.
func (s *share) notUnderstood() bool { return s.all >= 40 && s.bad > s.all/20 }

// tooFarBehind is how old the newest line read may be while more waits.
const tooFarBehind = 5 * time.Minute

// health gives what is wrong with the source, nil when nothing is.
func (s *source) health(now time.Time) *mta.BlindSpot {
	limit := s.gaps.limit(s.silence)
	if s.quiet { // written only when something is wrong, as text for people, and gone with its daemon
		if s.blind != nil && s.blind.Kind == mta.BlindUnreadable {
			return s.blind
		}
		return nil
	}
	if s.blind != nil {
		return s.blind
	}
	if s.recent.notUnderstood() {
		return &mta.BlindSpot{Source: s.name, Kind: mta.BlindNotUnderstood, Since: s.heard,
			Text:   fmt.Sprintf("%.0f %% of the MTA's recent lines are not understood (%d unknown, %d malformed in all)", 100*s.recent.bad/s.recent.all, s.counts.Unknown, s.counts.Malformed),
			Advice: "look at the lines with `mtawatch doctor`; is this the log of the MTA that was detected?"}
	}
	if s.behind > 0 && !s.lastLine.IsZero() && now.Sub(s.lastLine) > tooFarBehind {
		return &mta.BlindSpot{Source: s.name, Kind: mta.BlindBehind, Since: s.lastLine,
			Text: fmt.Sprintf("still reading what was written since %s: %d MB to go", s.lastLine.Format(time.RFC3339), s.behind>>20+1)}
	}
	if !s.heard.IsZero() && s.counts.Lines >= 100 && now.Sub(s.heard) > limit {
		return &mta.BlindSpot{Source: s.name, Kind: mta.BlindSilent, Since: s.heard,
			Text:   fmt.Sprintf("no line for %s; the longest silence of the last day was %s", now.Sub(s.heard).Round(time.Second), s.gaps.usual().Round(time.Second)),
			Advice: "see whether the MTA still logs here: is the syslog daemon running, has the log moved?"}
	}
	if s.lost != nil && now.Sub(s.lost.Since) < 24*time.Hour {
		return s.lost
	}
	return nil
}

// BlindDetection is the source of the blind spot that Detected makes.
const BlindDetection = "detection"

// Detected takes how looking for mail servers ended. What could not be looked
// at is a blind spot until a later try ends well: a server that the
// configuration names must not be missing without a word.
func (b *Belt) Detected(at time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.elsewhere, BlindDetection)
		return
	}
	if old := b.elsewhere[BlindDetection]; len(old) > 0 {
		at = old[0].Since
	}
	b.elsewhere[BlindDetection] = []mta.BlindSpot{{Source: BlindDetection, Kind: mta.BlindFailing, Since: at,
		Text:   "not every mail server could be looked at: " + strings.ReplaceAll(err.Error(), "\n", "; "),
		Advice: "see that the directories under `instances:` in the configuration file are right, and that mtawatch may read them"}}
}

// blindSpots lists everything that mtawatch should see and does not.
func (b *Belt) blindSpots(now time.Time) []mta.BlindSpot {
	var list []mta.BlindSpot
	if len(b.instances) == 0 {
		list = append(list, mta.BlindSpot{Source: "instances", Kind: mta.BlindMissing, Since: b.started,
			Text: "no mail server was found on this machine", Advice: "name one under `instances:` in the configuration file, or run mtawatch where it may read /etc and /proc"})
	}
	for _, in := range b.instances {
		if len(in.Logs) == 0 {
			list = append(list, mta.BlindSpot{Source: in.Name, Kind: mta.BlindMissing, Since: b.started,
				Text: "no log of " + in.Name + " was found: deliveries and failures are unknown", Advice: "set `log_file:` of the instance in the configuration file"})
		}
		if q, ok := b.queues[in.Name]; ok && q.Unknown != "" {
			list = append(list, mta.BlindSpot{Source: in.Name + " queue", Kind: mta.BlindFailing, Since: q.Time, Text: q.Unknown})
		}
		if st, ok := b.states[in.Name]; ok && st.failed != "" {
			list = append(list, mta.BlindSpot{Source: in.Name + " state", Kind: mta.BlindFailing, Since: st.since, Text: st.failed,
				Advice: "see `mtawatch doctor`"})
		}
		if t := b.shapes[in.Name]; t != nil && t.Failed != "" {
			list = append(list, mta.BlindSpot{Source: in.Name + " queue listing", Kind: mta.BlindFailing, Since: t.Since, Text: t.Failed})
		}
	}
	for _, name := range b.sourceNames() {
		if spot := b.sources[name].health(now); spot != nil {
			list = append(list, *spot)
		}
	}
	if b.conns.Unknown != "" {
		list = append(list, mta.BlindSpot{Source: "connections", Kind: mta.BlindFailing, Since: b.conns.Time, Text: b.conns.Unknown})
	}
	if b.procErr != "" {
		list = append(list, mta.BlindSpot{Source: "processes", Kind: mta.BlindFailing, Since: b.procTime, Text: b.procErr})
	}
	for _, spot := range []*mta.BlindSpot{b.storeBad, b.clockBad} {
		if spot != nil {
			list = append(list, *spot)
		}
	}
	for _, by := range slices.Sorted(maps.Keys(b.elsewhere)) {
		list = append(list, b.elsewhere[by]...)
	}
	return list
}
