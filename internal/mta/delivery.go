package mta

import "time"

// Delivery is one attempt to deliver one message to one recipient, with what
// earlier lines told about the message. Whatever no line told is zero. The
// event is shared, not copied.
type Delivery struct {
	*Event
	Received    time.Time // when the message entered the queue; zero when that line was not seen
	Attempt     int       // 1 for the first attempt that we saw for this message
	Destination string    // the domain of the recipient, in lower case; "local" for no domain
}

// Message is what is known about one queued message.
type Message struct {
	Instance   string    `json:"instance"`
	QueueID    string    `json:"queue_id"`
	MessageID  string    `json:"message_id,omitempty"`
	From       string    `json:"from"`
	NullSender bool      `json:"null_sender,omitempty"`
	Client     Peer      `json:"client,omitzero"`
	SASLUser   string    `json:"sasl_user,omitempty"`
	Size       int64     `json:"size,omitempty"`
	Recipients int32     `json:"recipients,omitempty"`
	Received   time.Time `json:"received"`
}
