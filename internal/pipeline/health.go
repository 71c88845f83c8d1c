package pipeline

import (
	"fmt"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// gapHabit knows how long a source is used to be silent: the longest gap
// between lines in each of the last 24 hours.
type gapHabit struct {
	longest [24]time.Duration
	hour    int64
}

func (g *gapHabit) add(at time.Time, gap time.Duration) {
	h := at.Unix() / 3600
	for ; g.hour < h && h-g.hour <= 24; g.hour++ {
		g.longest[(g.hour+1)%24] = 0
	}
	if h-g.hour > 24 {
		g.longest = [24]time.Duration{}
	}
	g.hour = max(g.hour, h)
	if i := h % 24; gap > g.longest[i] {
		g.longest[i] = gap
	}
}

// limit is the silence that is no longer habit: three times the longest gap
// of a day, at least a quarter of an hour.
func (g *gapHabit) limit() time.Duration {
	longest := 5 * time.Minute
	for _, d := range g.longest {
		longest = max(longest, d)
	}
	return 3 * longest
}

// heardAt notes that lines came.
func (s *source) heardAt(now time.Time) {
	if !s.heard.IsZero() && now.After(s.heard) {
		s.gaps.add(now, now.Sub(s.heard))
	}
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

// health gives what is wrong with the source, nil when nothing is.
func (s *source) health(now time.Time) *mta.BlindSpot {
	if s.blind != nil {
		return s.blind
	}
	if s.recent.notUnderstood() {
		return &mta.BlindSpot{Source: s.name, Kind: mta.BlindNotUnderstood, Since: s.heard,
			Text:   fmt.Sprintf("%.0f %% of the MTA's recent lines are not understood (%d unknown, %d malformed in all)", 100*s.recent.bad/s.recent.all, s.counts.Unknown, s.counts.Malformed),
			Advice: "look at the lines with `mtawatch doctor`; is this the log of the MTA that was detected?"}
	}
	if !s.heard.IsZero() && s.counts.Lines >= 100 && now.Sub(s.heard) > s.gaps.limit() {
		return &mta.BlindSpot{Source: s.name, Kind: mta.BlindSilent, Since: s.heard,
			Text:   fmt.Sprintf("no line for %s; the longest silence of the last day was %s", now.Sub(s.heard).Round(time.Second), (s.gaps.limit() / 3).Round(time.Second)),
			Advice: "see whether the MTA still logs here: is the syslog daemon running, has the log moved?"}
	}
	if s.lost != nil && now.Sub(s.lost.Since) < 24*time.Hour {
		return s.lost
	}
	return nil
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
		if t := b.shapes[in.Name]; t != nil && t.Failed != "" {
			list = append(list, mta.BlindSpot{Source: in.Name + " queue listing", Kind: mta.BlindFailing, Since: t.Time, Text: t.Failed})
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
	return list
}
