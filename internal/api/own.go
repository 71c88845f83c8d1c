package api

import (
	"context"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

func ownParams() []string {
	return []string{"instance", "channel", "counters", "waiting", "processes"}
}

// own asks for what is named, which must be something.
func (h *handler) own(ctx context.Context, p *params) (view.Own, error) {
	q := view.OwnQuery{Instance: p.text("instance"), OwnQuestion: mta.OwnQuestion{Channel: p.text("channel"),
		Counters: p.flag("counters"), Waiting: p.flag("waiting"), Processes: p.flag("processes")}}
	if !q.Counters && !q.Waiting && !q.Processes {
		p.refuse("counters", "or waiting or processes is needed: what to ask for")
	}
	return ask(ctx, p, q, h.src.Own)
}

// Own implements view.Source.
func (c *Client) Own(ctx context.Context, q view.OwnQuery) (view.Own, error) {
	v := make(query)
	v.text("instance", q.Instance)
	v.text("channel", q.Channel)
	v.flag("counters", q.Counters)
	v.flag("waiting", q.Waiting)
	v.flag("processes", q.Processes)
	return get[view.Own](ctx, c, "/queue/own", v)
}
