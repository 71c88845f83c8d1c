package jobs

import "time"

// Count is one cell row of the channel counters.
type Count struct{ Messages, Recipients, Blocks int }

func (c *Count) add(messages, recipients, blocks int) {
	c.Messages += messages
	c.Recipients += recipients
	c.Blocks += blocks
}

// Counters are those of a channel, since they were cleared or the controller
// was started. They are for the trend: what happened without the controller is
// not in them. Stored is what the controller knows: with more messages than
// MAX_MESSAGES the disk has more.
type Counters struct {
	Received  Count // enqueued to it
	Stored    Count
	Delivered Count // taken out, returned ones too
	Submitted Count // enqueued by it
	Attempted Count // tried and to be tried again
	Rejected  Count // refused on the way in
	Failed    Count // failed for good
	// First is how many of Delivered were so at the first attempt.
	First                 int
	QueueTime, QueueFirst time.Duration // of Delivered, and of First
}

// result counts what became of a message that had been handed out.
func (k *Counters) result(r Result, first bool) {
	if r.State == Busy {
		return
	}
	out := r.Delivered + r.Failed
	done, blocks := 0, 0
	if r.State == Done {
		done, blocks = 1, r.Blocks
		k.QueueTime += r.InQueue
		if first {
			k.First++
			k.QueueFirst += r.InQueue
		}
	}
	k.Stored.add(-done, -out, -blocks)
	k.Delivered.add(done, out, blocks)
	if r.Failed > 0 {
		k.Failed.add(1, r.Failed, r.Blocks)
	}
	if r.Delayed > 0 {
		k.Attempted.add(1, r.Delayed, r.Blocks)
	}
}
