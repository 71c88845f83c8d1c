package diagnose

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestBlindSpot(t *testing.T) {
	const log = "/var/log/mail.log"
	silent := func(w *world) { w.v.lines, w.v.arrivals, w.v.attempts = 0, 0, 0 }
	spot := func(source string, kind mta.BlindKind) *live {
		return &live{blind: []mta.BlindSpot{{Source: source, Kind: kind, Since: onset.Add(-time.Minute), Text: "it is not well", Advice: "mend it"}}}
	}
	play(t, []scene{
		{name: "sockets move and the log is silent", change: silent, want: []string{"blind-spot warning"},
			titles: []string{log, "sockets move but the log is silent", "the mail has not stopped"}},
		{name: "young: the same", young: true, change: silent, want: []string{"blind-spot warning"}},
		{name: "the belt says silent, the sockets say more", change: func(w *world) {
			if silent(w); w.second > 200 {
				w.c.Facts = spot(log, mta.BlindSilent)
			}
		}, want: []string{"blind-spot warning"},
			titles: []string{"sockets move but the log is silent"}},
		{name: "mail stops and so does the log", change: func(w *world) { silent(w); w.v.opened, w.v.current = 0, 0 }},
		{name: "the connections are known from the same log", change: func(w *world) { silent(w); w.c.LogOnly = true }},
		{name: "nobody is served: the log is not at fault", change: func(w *world) { silent(w); w.v.acceptQueue = 20 }},
		{name: "not served and stopped", facts: &live{procs: []mta.RoleProcess{process(100, mta.RoleDispatcher, "master", "T", time.Hour)}}, change: silent,
			want: []string{"dispatcher-down critical"}},
		{name: "the source is down", change: func(w *world) { w.v.logUp, w.v.lines = 0, unknown }, want: []string{"blind-spot warning"}, titles: []string{"mtawatch_source_up is 0"}},
		{name: "unreadable", facts: spot(log, mta.BlindUnreadable), change: func(*world) {}, want: []string{"blind-spot warning"}, titles: []string{"cannot be read", "mend it", "mtawatch doctor"}},
		{name: "behind", facts: spot(log, mta.BlindBehind), lasts: 10 * time.Minute, change: func(*world) {}, want: []string{"blind-spot info"}},
		{name: "the listing fails", facts: spot("postfix queue listing", mta.BlindFailing), change: func(*world) {}, want: []string{"blind-spot info"}},
		{name: "connections cannot be read", facts: spot("connections", mta.BlindFailing), change: func(*world) {}, want: []string{"blind-spot warning"}},
	})
}
