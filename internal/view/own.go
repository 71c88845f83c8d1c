package view

import (
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// OwnQuery asks the mail servers' own tools. Zero values: every instance and
// no part.
type OwnQuery struct {
	Instance string
	mta.OwnQuestion
}

// Own is what the mail servers' own tools tell, with the exact counts beside
// theirs.
type Own struct {
	Time      time.Time     `json:"time"`
	Instances []OwnInstance `json:"instances"`
	Unknown   string        `json:"unknown,omitempty"` // why nothing, or not all, is known
}

// OwnInstance is what one mail server's tools tell. Its counters are lossy and
// count from when they were created or set to zero, which they do not tell; the
// exact ones beside them count from ExactSince, or are unknown.
type OwnInstance struct {
	Instance string    `json:"instance"`
	At       time.Time `json:"at"` // when the tools were asked
	mta.OwnView
	Channels     []OwnChannel `json:"channels,omitempty"` // of the counters, those of one side alone too
	ExactSince   time.Time    `json:"exact_since,omitzero"`
	ExactUnknown string       `json:"exact_unknown,omitempty"`
}

// OwnChannel is one channel by the server's own counters and by the exact
// ones. Null is what one of the two does not have.
type OwnChannel struct {
	Channel  string          `json:"channel"`
	Own      *mta.OwnChannel `json:"own"`
	Exact    *ChannelRow     `json:"exact"`
	Differs  []string        `json:"differs"`            // counts that both have and that are not equal: "stored", "delivered"
	Negative []string        `json:"negative,omitempty"` // own counts below zero: set to zero while mail was queued
}

// CompareOwn puts both counts of each channel side by side, in the order of
// the names.
func CompareOwn(own []mta.OwnChannel, exact []ChannelRow) []OwnChannel {
	list := make([]OwnChannel, 0, len(own))
	at := make(map[string]int)
	for i := range own {
		at[own[i].Channel] = len(list)
		list = append(list, OwnChannel{Channel: own[i].Channel, Own: &own[i], Differs: []string{}})
	}
	for i := range exact {
		name := exact[i].Channel
		if k, ok := at[name]; ok {
			list[k].Exact = &exact[i]
			continue
		}
		if idle(&exact[i]) {
			continue // the server has no counters of what never did anything
		}
		list = append(list, OwnChannel{Channel: name, Exact: &exact[i], Differs: []string{}})
	}
	for i := range list {
		list[i].compare()
	}
	slices.SortStableFunc(list, func(a, b OwnChannel) int { return strings.Compare(a.Channel, b.Channel) })
	return list
}

// idle reports whether nothing ever came this way.
func idle(c *ChannelRow) bool {
	for _, v := range []*Volume{c.Received, c.Delivered, c.Submitted} {
		if v != nil && (v.Messages != 0 || v.Recipients != 0) {
			return false
		}
	}
	return c.Attempted+c.Rejected+c.Failed == 0 && (c.Stored == nil || *c.Stored == 0)
}

// OwnCounts are the counts of one row of an OwnChannel. Nil: not told.
type OwnCounts struct {
	Name                   string // as in Differs
	Own                    *mta.OwnCount
	Messages, Recipients   *int64 // exact
	OwnFirst, ExactFirst   *int64 // delivered: at the first attempt
	failed                 int64  // exact, for good
	MessagesOff, PeopleOff bool   // the two are not equal
}

// Rows gives the counts of a channel in the server's order.
func (c *OwnChannel) Rows() []OwnCounts {
	own, exact := c.Own, c.Exact
	if own == nil {
		own = new(mta.OwnChannel)
	}
	if exact == nil {
		exact = new(ChannelRow)
	}
	rows := []OwnCounts{{Name: "received", Own: own.Received}, {Name: "stored", Own: own.Stored}, {Name: "delivered", Own: own.Delivered, OwnFirst: own.FirstTime},
		{Name: "submitted", Own: own.Submitted}, {Name: "attempted", Own: own.Attempted}, {Name: "rejected", Own: own.Rejected}, {Name: "failed", Own: own.Failed}}
	for i, v := range []*Volume{exact.Received, nil, exact.Delivered, exact.Submitted} {
		if v != nil {
			rows[i].Messages, rows[i].Recipients = &v.Messages, &v.Recipients
		}
	}
	rows[1].Messages = exact.Stored
	if c.Exact != nil {
		rows[2].ExactFirst, rows[2].failed = &exact.FirstTime, exact.Failed
		rows[4].Recipients, rows[5].Recipients, rows[6].Recipients = &exact.Attempted, &exact.Rejected, &exact.Failed
	}
	for i := range rows {
		if r := &rows[i]; r.Own != nil {
			r.MessagesOff = r.Messages != nil && *r.Messages != r.Own.Messages
			r.PeopleOff = r.Recipients != nil && *r.Recipients != r.Own.Recipients
		}
	}
	return rows
}

// FirstOff is how many more the server counts at the first attempt than can
// be: among its own may be what failed for good at the first, which has left
// the queue too.
func (r *OwnCounts) FirstOff() int64 {
	if r.OwnFirst == nil || r.ExactFirst == nil {
		return 0
	}
	off := *r.OwnFirst - *r.ExactFirst
	if 0 <= off && off <= r.failed {
		return 0
	}
	return off
}

func (c *OwnChannel) compare() {
	for _, r := range c.Rows() {
		if r.MessagesOff || r.PeopleOff {
			c.Differs = append(c.Differs, r.Name)
		}
		if r.FirstOff() != 0 {
			c.Differs = append(c.Differs, "first_time")
		}
		if r.Own != nil && min(r.Own.Messages, r.Own.Recipients, r.Own.Blocks) < 0 {
			c.Negative = append(c.Negative, r.Name)
		}
	}
}
