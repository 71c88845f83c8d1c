package mta

import "time"

// Queue is what a mail server holds at one moment. A part that could not be
// read is absent and named in Unknown; it is never shown as empty.
type Queue struct {
	Time     time.Time    `json:"time"`
	Instance string       `json:"instance"`
	Queues   []QueueCount `json:"queues"`
	Unknown  string       `json:"unknown,omitempty"` // why nothing, or not all, is known
}

// QueueCount is one named queue: "active", "deferred", a channel.
type QueueCount struct {
	Name     string    `json:"name"`
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`           // -1 when unknown
	Oldest   time.Time `json:"oldest,omitzero"` // arrival of the oldest message; zero when unknown or empty
	// Untried are those of the messages that no delivery was tried for yet;
	// nil where that cannot be told. Old untried mail says that nobody works
	// on the queue, old tried mail that the other side does not take it.
	Untried *Untried `json:"untried,omitempty"`
}

// Untried are the messages of a queue that were never tried.
type Untried struct {
	Messages int64     `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"` // arrival of the oldest; zero when unknown or there is none
}

// UnknownBytes marks a size that was not measured.
const UnknownBytes int64 = -1

// QueuedMessage is one message of a queue listing.
type QueuedMessage struct {
	QueueID    string            `json:"queue_id"`
	Queue      string            `json:"queue"`
	Arrived    time.Time         `json:"arrived,omitzero"` // zero when unknown
	Size       int64             `json:"size"`             // bytes, -1 when unknown
	Sender     string            `json:"sender"`
	Recipients []QueuedRecipient `json:"recipients"`
	Attempts   int               `json:"attempts,omitempty"` // deliveries tried so far, where the queue tells that
	// Count is how many messages this stands for, in a listing that only
	// counts them by destination; 0 is one.
	Count int64 `json:"count,omitempty"`
}

// QueuedRecipient is one recipient who still waits, and why.
type QueuedRecipient struct {
	Address string `json:"address"`
	Reason  string `json:"reason,omitempty"` // of the last attempt, as the MTA tells it
}
