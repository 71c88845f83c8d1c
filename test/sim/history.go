package sim

import (
	"iter"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// HistoryConfig describes a small steady host, as the live worlds run it.
// Zero values: two weeks; a reading every 10 s; 60 messages a minute; the rest as in Config.
type HistoryConfig struct {
	Seed          uint64
	End           time.Time // the last reading is at it or less than one Step before
	For           time.Duration
	Step          time.Duration
	Location      *time.Location
	Instance      string
	Port          uint16
	Source        string // of the log
	Destinations  []string
	Queues        []string
	RatePerMinute float64
}

// History gives the past of a small steady host: about the same traffic at
// all hours, to the given destinations, all of it delivered at once, nobody
// unwanted at the port, all daemons running. It is for a judgement that is to
// know what is normal before a drill begins.
func History(c HistoryConfig) iter.Seq[mta.Reading] {
	if c.For <= 0 {
		c.For = 14 * 24 * time.Hour
	}
	if c.RatePerMinute <= 0 {
		c.RatePerMinute = 60
	}
	if len(c.Destinations) == 0 {
		c.Destinations = []string{"example.com"}
	}
	h := New(Config{
		Seed: c.Seed, Rate: c.RatePerMinute / 60, Start: c.End.Add(-c.For), End: c.End, Step: c.Step, Location: c.Location,
		Instance: c.Instance, Port: c.Port, Source: c.Source, Destinations: c.Destinations, Queues: c.Queues, Flat: true,
	})
	return h.Readings()
}
