package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parseQueueManager reads what qmgr says of a message; s begins after "from=<":
//
//	from=<A>, size=N, nrcpt=N (queue active)
//	from=<A>, status=expired, returned to sender
func parseQueueManager(e *mta.Event, s string) error {
	addr, rest, ok := cutAddress(s)
	if !ok {
		return adapter.Malformed("sender", s)
	}
	setSender(e, addr)
	if n, ok := strings.CutPrefix(rest, ", size="); ok {
		return parseQueuedSize(e, n)
	}
	status, ok := strings.CutPrefix(rest, ", status=")
	if !ok {
		return adapter.Malformed("size", rest)
	}
	word, why, ok := strings.Cut(status, ", ")
	if !ok || why != "returned to sender" {
		return adapter.Malformed("status", status)
	}
	if word != "expired" && word != "force-expired" {
		return adapter.Malformed("status", status)
	}
	e.Kind, e.Status, e.Reply = mta.KindDelivery, mta.StatusExpired, status
	return nil
}

func parseQueuedSize(e *mta.Event, s string) error {
	size, rest, ok := cutNumber(s)
	if !ok {
		return adapter.Malformed("size", s)
	}
	text, ok := strings.CutPrefix(rest, ", nrcpt=")
	if !ok {
		return adapter.Malformed("recipients", rest)
	}
	count, queue, ok := cutNumber(text)
	if !ok || count > 1<<31-1 || !strings.HasPrefix(queue, " (queue ") || queue[len(queue)-1] != ')' {
		return adapter.Malformed("recipients", text)
	}
	e.Kind, e.Size, e.Recipients = mta.KindQueued, size, int32(count)
	return nil
}

// parseMessageID reads what cleanup says of the Message-ID header, which may
// hold anything and is empty when the message had none.
func parseMessageID(e *mta.Event, s string) error {
	if strings.HasPrefix(s, "<") {
		end := strings.Index(s, "> ") // a comment follows
		if end < 0 {
			end = len(s) - 1
		}
		if s[end] != '>' {
			return adapter.Malformed("message id", s)
		}
		s = s[1:end]
	}
	e.Kind, e.MessageID = mta.KindMessage, s
	return nil
}

// parseRemoved reads that a message left the queue. A file that postsuper
// deletes says so in Reason.
func parseRemoved(e *mta.Event, prog program) error {
	e.Kind = mta.KindRemoved
	if prog == progPostsuper {
		e.Reason = "deleted"
	}
	return nil
}

// parseOrigin reads where a message came from by SMTP; s begins after "client=":
//
//	client=name[ip]:port, sasl_method=M, sasl_username=U, sasl_sender=S, orig_queue_id=Q, orig_client=C
//
// The queue id before a content filter goes to RefID, the client before it
// stays in Text.
func parseOrigin(e *mta.Event, s string) error {
	rest, ok := cutPeer(s, &e.Client)
	if !ok {
		return adapter.Malformed("client", s)
	}
	e.Kind = mta.KindOrigin
	for rest != "" {
		key, value, ok := strings.Cut(strings.TrimPrefix(rest, ", "), "=")
		if !ok || rest[0] != ',' {
			return adapter.Malformed("client", rest)
		}
		end := originValueEnd(value)
		rest, value = value[end:], value[:end]
		switch key {
		case "sasl_method":
			e.SASLMethod = value
		case "sasl_username":
			e.SASLUser = value
		case "orig_queue_id":
			e.RefID = value
		case "orig_client":
			e.Text = value
		}
	}
	return nil
}

// originValueEnd gives the length of a value of a client= line: a user name
// may hold a comma, so only a known key ends it.
func originValueEnd(s string) int {
	for i := 0; ; {
		j := strings.Index(s[i:], ", ")
		if j < 0 {
			return len(s)
		}
		i += j
		next := s[i+2:]
		if strings.HasPrefix(next, "sasl_") || strings.HasPrefix(next, "orig_") {
			return i
		}
		i++
	}
}

// parsePickup reads where a local message came from; s begins after "uid=":
//
//	uid=N from=<A> orig_id=Q
//
// orig_id is the id of a message that postsuper requeued.
func parsePickup(e *mta.Event, s string) error {
	_, rest, ok := cutNumber(s)
	if !ok {
		return adapter.Malformed("uid", s)
	}
	addr, ok := strings.CutPrefix(rest, " from=<")
	if !ok {
		return adapter.Malformed("sender", rest)
	}
	if addr, rest, ok = cutAddress(addr); !ok {
		return adapter.Malformed("sender", rest)
	}
	if id, ok := strings.CutPrefix(rest, " orig_id="); ok {
		if !isQueueID(id) {
			return adapter.Malformed("original queue id", id)
		}
		e.RefID = id
	}
	e.Kind = mta.KindOrigin
	setSender(e, addr)
	return nil
}

// parseNotification reads that bounce made a notification: what names it,
// such as "sender non-delivery", and its own queue id.
func parseNotification(e *mta.Event, what, id string) error {
	if !isQueueID(id) {
		return adapter.Malformed("queue id of the notification", id)
	}
	e.Kind, e.RefID = mta.KindNotification, id
	e.Reason = what
	return nil
}

// parsePostsuperID reads what postsuper did to one message.
func parsePostsuperID(e *mta.Event, s string) error {
	switch s {
	case "placed on hold":
		e.Kind, e.Action, e.Reason = mta.KindHeld, mta.ActionHeld, "postsuper"
	case "released from hold":
		e.Kind, e.Action, e.Reason = mta.KindHeld, mta.ActionReleased, "postsuper"
	case "requeued": // it comes back through pickup under a new id
		e.Kind, e.Reason = mta.KindRemoved, "requeued"
	case "expired":
		return note(e, s)
	default:
		return adapter.ErrUnknownLine
	}
	return nil
}

// parsePostsuper reads the sums that postsuper logs at its end: "Deleted: 1 message".
func parsePostsuper(e *mta.Event, s string) error {
	what, count, ok := strings.Cut(s, ": ")
	if !ok {
		return adapter.ErrUnknownLine
	}
	switch what {
	case "Requeued", "Deleted", "Force-expired", "Placed on hold", "Released from hold", "Renamed to match inode number":
	default:
		return adapter.ErrUnknownLine
	}
	if !strings.HasSuffix(count, " message") && !strings.HasSuffix(count, " messages") {
		return adapter.Malformed("count", count)
	}
	e.Kind, e.Text = mta.KindStatistics, s
	return nil
}
