package notify

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Mark takes what people said of the open findings: of one that is held
// nothing is told but its end, where it was told at all, and refreshing
// messages to programs; one that is held no longer is told when it is news.
func (d *Dispatcher) Mark(open []mta.Finding) {
	now := time.Now()
	for _, o := range d.outlets {
		for _, f := range open {
			o.mark(f, now)
		}
	}
}

func (o *Outlet) mark(f mta.Finding, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	it := o.items[f.ID]
	if it == nil || it.resolved {
		return
	}
	was := it.finding.Held()
	it.finding.Acknowledged, it.finding.SilencedUntil = f.Acknowledged, f.SilencedUntil
	switch {
	case f.Held() && !was:
		o.hold(it, now)
	case was && !f.Held() && (it.told == nil || differs(it.told, &f)):
		o.stand(it, f, now)
	case was && !f.Held():
		it.at = o.again(it, now)
	}
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// hold drops what was to be told of a finding, for a person knows of it.
func (o *Outlet) hold(it *item, now time.Time) {
	it.sent, it.at = it.version, time.Time{}
	if it.told != nil && o.channel.Terms.Refresh > 0 {
		it.at = now
	}
}

// differs says that a finding is not what was told.
func differs(told, f *mta.Finding) bool {
	return told.Severity != f.Severity || told.Code != f.Code || told.Reason != f.Reason
}
