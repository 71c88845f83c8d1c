package sim

import (
	"fmt"
	"time"
)

// client is who brought a message.
type client struct{ name, ip string }

// identify gives each message of a cohort its own identity, where that is asked for.
func (h *Host) identify(to *destination, c *cohort) {
	if !h.cfg.Messages {
		return
	}
	c.msgs = make([]*message, c.n)
	for i := range c.msgs {
		h.ids++
		// Anywhere in the step that ends now; old mail long ago.
		born := time.Unix(c.born, 0).Add(-time.Duration(h.d.Float64() * float64(h.cfg.Step)))
		m := &message{
			id:   queueID(born, h.ids),
			from: fmt.Sprintf("user%d@client%d.example.org", h.d.IntN(400), h.d.IntN(60)),
			to:   fmt.Sprintf("user%d@%s", h.d.IntN(900), to.name),
			size: int(max(700, meanSize*h.d.lognormal(1.2))),
			born: born,
			last: born,
		}
		k := h.d.IntN(numKnown)
		m.client = client{fmt.Sprintf("mail%02d.example.org", k), knownAddr(k).String()}
		switch {
		case c.flow == flowNotification:
			m.from = ""
			m.size = 3000 + h.d.IntN(2000)
		case c.flow == flowAbuse:
			m.from, m.account = "user17@example.com", "user17@example.com"
			m.client = client{"", badAddr(77).String()}
		case c.flow == flowLoop:
			m.from = "list@example.com"
		case !to.local:
			m.from = fmt.Sprintf("user%d@example.com", h.d.IntN(900))
			m.account = m.from
		}
		c.msgs[i] = m
	}
}

// The digits of Postfix's long queue ids: base 52 without vowels for the
// time, base 51 for the number of the file (postconf(5), enable_long_queue_ids).
const idDigits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

// queueID makes the long queue id of a message: six digits of seconds, four
// of microseconds, a z, the file. number makes it unlike any other.
func queueID(at time.Time, number int64) string {
	id := make([]byte, 0, 16)
	put := func(n int64, base, digits int64) {
		var d [10]byte
		for i := digits - 1; i >= 0; i-- {
			d[i] = idDigits[n%base]
			n /= base
		}
		id = append(id, d[:digits]...)
	}
	put(at.Unix(), 52, 6)
	put(int64(at.Nanosecond()/1000), 52, 4)
	id = append(id, 'z')
	put(number, 51, 4)
	return string(id)
}
