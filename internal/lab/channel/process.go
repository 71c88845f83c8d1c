package channel

import (
	"context"
	"io"
	"strings"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Process is the program of the process channel: notifications pass through
// it into the channel where they go.
func Process(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(ctx, args, stdin, stdout, stderr, func(p *program) (func(), error) {
		p.deliver = p.pass
		return func() {}, nil
	})
}

// pass enqueues a message anew for each recipient's channel.
func (p *program) pass(_ context.Context, a *attempt) []outcome {
	list := make([]outcome, len(a.Recipients))
	for i, r := range a.Recipients {
		o := &list[i]
		to, ok := p.site.Route(r.Address)
		if !ok {
			o.kind, o.status, o.diagnostic, o.none = failed, "5.1.3", "bad destination address", true
			o.said = o.diagnostic
			continue
		}
		env := a.Envelope
		env.Source, env.Recipients = p.channel, []queue.Recipient{r}
		e, err := p.queue.Enqueue(to, &env, a.Content())
		if err != nil {
			p.complain("%v", err)
			o.diagnostic = "Insufficient system storage: " + plain(err)
			continue
		}
		shown := r.Address
		if to == site.ChannelStore {
			user, _, _ := strings.Cut(r.Address, "@")
			shown = user + "@" + site.StoreHost
		}
		err = p.log.Write(&maillog.Record{Process: a.process, Source: p.channel, Dest: to, Code: "E", Blocks: a.Blocks(), From: a.From, NoFrom: a.From == "",
			OrigTo: original(r), To: shown, File: e.Path, EnvelopeID: a.EnvelopeID, MessageID: a.MessageID})
		if err != nil {
			p.complain("%v", err)
		}
		_ = p.client.Tell(e, &env, a.Blocks()) // the controller finds it on the disk otherwise
		o.kind, o.status, o.tells = delivered, "2.0.0", true
	}
	return list
}
